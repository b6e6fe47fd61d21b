"""What a command leaves in its run directory where its input is refused."""

import pytest

from musicrl_jax.cli import running
from musicrl_jax.core import errors
from musicrl_jax.runs import pretrain_codec, training
from musicrl_jax.transport import store as stores


@pytest.fixture
def pretrain(tmp_path, monkeypatch):
    """Runs a command whose work is `work(run_dir)`; returns its run directory."""

    def run(work, *params, run_dir=tmp_path / "runs" / "codec"):
        monkeypatch.setattr(
            pretrain_codec, "run", lambda config, hooks: work(run_dir, config, hooks)
        )
        running.call("pretrain_codec", None, params, {"run_dir": str(run_dir)})

    return run


def _refuse(run_dir, *_):
    assert (run_dir / running.OPERATIVE).is_file()  # roles that are started read it
    raise errors.InputError("the corpus is no good")


def test_refused_input_leaves_no_run_directory(pretrain, tmp_path):
    with pytest.raises(errors.InputError):
        pretrain(_refuse)
    assert list(tmp_path.iterdir()) == []


def test_what_was_in_the_directory_stays(pretrain, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(errors.InputError):
        pretrain(_refuse, run_dir=tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_corrected_call_keeps_its_own_config_and_a_refused_one_leaves_it(
    pretrain, tmp_path
):
    operative = tmp_path / "runs" / "codec" / running.OPERATIVE
    with pytest.raises(errors.InputError):
        pretrain(_refuse, "PretrainConfig.steps=3")
    pretrain(lambda *_: None, "PretrainConfig.steps=5")
    kept = operative.read_text()
    assert "PretrainConfig.steps = 5" in kept
    with pytest.raises(errors.InputError):
        pretrain(_refuse, "PretrainConfig.steps=7")
    assert operative.read_text() == kept


def test_a_training_run_says_that_it_is_done_when_it_is(pretrain, tmp_path):
    mark = tmp_path / "runs" / "codec" / training.DONE

    def stop(run_dir, *_):
        raise errors.Preempted("stopped")

    with pytest.raises(errors.Preempted):
        pretrain(stop)
    assert not mark.exists()
    pretrain(lambda *_: None)
    assert mark.is_file()
    with pytest.raises(errors.InputError):
        pretrain(_refuse)
    assert mark.is_file()


def test_a_run_that_has_begun_keeps_its_config(pretrain, tmp_path):
    def begin(run_dir, *_):
        (run_dir / "config" / "run.json").write_text("{}")
        raise errors.InputError("an actor's network is gone")

    with pytest.raises(errors.InputError):
        pretrain(begin)
    assert (tmp_path / "runs" / "codec" / running.OPERATIVE).is_file()


def test_a_fault_or_a_stop_is_no_refusal(pretrain, tmp_path):
    def stop(*_):
        raise errors.Preempted("asked to")

    with pytest.raises(errors.Preempted):
        pretrain(stop)
    assert (tmp_path / "runs" / "codec" / running.OPERATIVE).is_file()


def test_a_store_at_a_url_holds_nothing_either(pretrain, tmp_path):
    url = f"file://{tmp_path}/refused"

    def refuse(*_):
        assert stores.open_store(url).list("") == [running.OPERATIVE]
        raise errors.InputError("no")

    with pytest.raises(errors.InputError):
        pretrain(refuse, run_dir=url)
    assert stores.open_store(url).list("") == []


def test_folders_that_were_there_and_empty_stay(pretrain, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(errors.InputError):
        pretrain(_refuse, run_dir=empty)
    assert list(empty.iterdir()) == []
