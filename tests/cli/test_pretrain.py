"""`musicrl pretrain`: stopped by a signal, refused, damaged, and gone on with."""

import importlib.util
import os
import signal
import threading

import pytest

from musicrl_jax.cli import main
from musicrl_jax.core import writers
from musicrl_jax.runs import pretrain_codec, training
from tests.pretraining import linear


def train_linear(config, hooks):
    """Stands in for the codec, which takes long to compile."""
    batches = linear.RandomBatches(size=config.batch_size)
    network = linear.LinearObjective()
    training.train(network, batches, config.pretrain, config.run_dir, hooks)


@pytest.fixture
def pretrain(capsys, tmp_path, monkeypatch):
    """Runs `musicrl pretrain` in `tmp_path`: (exit code, error lines)."""
    monkeypatch.setattr(pretrain_codec, "run", train_linear)

    def run(*arguments, steps, batch=8):
        settings = (
            f"PretrainCodecConfig.batch_size={batch}",
            f"PretrainConfig.steps={steps}",
            "PretrainConfig.log_every=1",
            "PretrainConfig.save_every=2",
        )
        words = [f"--gin_param={text}" for text in settings]
        with pytest.raises(SystemExit) as ended:
            main.main(
                [
                    *("pretrain", "codec", "--run_dir", str(tmp_path / "run")),
                    *words,
                    *arguments,
                ]
            )
        lines = capsys.readouterr().err.splitlines()
        return ended.value.code or 0, [x for x in lines if x.startswith("musicrl: ")]

    numbers = (signal.SIGTERM, signal.SIGINT)
    kept = {number: signal.getsignal(number) for number in numbers}
    yield run
    for number, handler in kept.items():
        signal.signal(number, handler)


def steps_done(folder):
    path = folder / "run" / "metrics.jsonl"
    rows = writers.read_json_lines(path) if path.is_file() else []
    return int(rows[-1]["step"]) if rows else 0


def send_after(folder, number, steps):
    """Sends a signal to this process once the run has done a few steps."""

    ended = threading.Event()

    def wait():
        while not ended.wait(0.02):
            if steps_done(folder) >= steps:
                os.kill(os.getpid(), number)
                return

    thread = threading.Thread(target=wait)
    thread.start()
    return lambda: (ended.set(), thread.join())


def damage(folder):
    newest = max(folder.iterdir(), key=lambda path: int(path.name))
    files = [path for path in newest.rglob("*") if path.is_file()]
    path = max(files, key=lambda path: path.stat().st_size)
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_run_saves_refuses_other_data_and_goes_on(
    pretrain, tmp_path, caplog, number
):
    end = send_after(tmp_path, number, steps=5)
    try:
        code, lines = pretrain(steps=100_000)
    finally:
        end()
    done = steps_done(tmp_path)
    assert code == 143
    assert lines == [f"musicrl: Stopped at step {done}; start again to go on."]
    checkpoints = tmp_path / "run" / "checkpoints"
    assert str(done) in {path.name for path in checkpoints.iterdir()}

    code, lines = pretrain(steps=100_000, batch=16)
    assert (code, len(lines)) == (2, 1)
    assert "began with other training data" in lines[0]

    code, lines = pretrain(steps=done - 1)
    assert (code, len(lines)) == (2, 1)
    assert f"has done {done} steps already" in lines[0]

    damage(checkpoints)
    code, lines = pretrain(steps=done + 1)
    assert (code, lines) == (0, [])
    assert f"{done} is damaged" in caplog.text
    assert steps_done(tmp_path) == done + 1


def test_tensorboard_without_its_package_is_one_line_and_code_2(
    pretrain, tmp_path, monkeypatch
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    code, lines = pretrain("--tensorboard", steps=1)
    assert (code, len(lines)) == (2, 1)
    assert "pip install -e '.[tensorboard]'" in lines[0]
    assert not (tmp_path / "run").exists()
