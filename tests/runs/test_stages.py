"""A chain goes on where it was stopped, and never mixes settings."""

import dataclasses
import json

import pytest

from musicrl_jax.core import errors
from musicrl_jax.runs import stages


def _chain(folder, calls, settings=("one", "two", "three")):
    def stage(number):
        output = folder / f"{number}.txt"

        def run():
            calls.append(number)
            output.write_text(settings[number])
            return {"size": 7.0} if number == 1 else output

        return stages.Stage(
            name=f"stage_{number}", output=output, settings=settings[number], run=run
        )

    return [stage(number) for number in range(3)]


def test_only_what_is_missing_is_run(tmp_path):
    calls = []
    chain = _chain(tmp_path, calls)
    assert stages.run_chain(chain, tmp_path / "records") == [
        "stage_0",
        "stage_1",
        "stage_2",
    ]
    assert stages.run_chain(chain, tmp_path / "records") == []
    chain[2].output.unlink()
    begun = []
    again = stages.run_chain(
        chain, tmp_path / "records", begin=lambda *place: begun.append(place)
    )
    assert again == ["stage_2"]
    assert begun == [(3, 3)]
    assert calls == [0, 1, 2, 2]


def test_an_output_without_a_record_is_not_finished(tmp_path):
    """Some stages write their output at every checkpoint."""
    calls = []
    chain = _chain(tmp_path, calls)
    chain[0].output.write_text("half")
    stages.run_chain(chain, tmp_path / "records")
    assert calls[0] == 0
    assert chain[0].output.read_text() == "one"


def test_a_chain_that_stops_goes_on(tmp_path):
    calls = []
    chain = _chain(tmp_path, calls)

    def stop():
        raise errors.Preempted("stopped")

    stopping = [
        chain[0],
        stages.Stage(
            name="stage_1",
            output=chain[1].output,
            settings=chain[1].settings,
            run=stop,
        ),
        chain[2],
    ]
    with pytest.raises(errors.Preempted):
        stages.run_chain(stopping, tmp_path / "records")
    assert stages.run_chain(chain, tmp_path / "records") == ["stage_1", "stage_2"]
    assert calls == [0, 1, 2]


@pytest.fixture
def stopped(tmp_path):
    """Returns a chain of one whole stage that was stopped before its record."""
    calls = []
    stage = dataclasses.replace(_chain(tmp_path, calls)[1], whole=True)

    def stop():
        stage.run()
        raise errors.Preempted("stopped")

    chain = [dataclasses.replace(stage, run=stop)]
    with pytest.raises(errors.Preempted):
        stages.run_chain(chain, tmp_path / "records")
    return [stage], calls


def test_a_whole_output_that_lacks_its_record_is_not_made_again(tmp_path, stopped):
    chain, calls = stopped
    records = tmp_path / "records"
    assert stages.read_records(records) == {}
    for _ in range(2):
        assert stages.run_chain(chain, records) == []
        (records / "stage_1.json").unlink()
    assert calls == [1]
    chain[0].output.unlink()
    assert stages.run_chain(chain, records) == ["stage_1"]


def test_a_whole_output_of_other_settings_or_another_stage_is_refused(
    tmp_path, stopped
):
    (stage,), calls = stopped
    records = tmp_path / "records"
    with pytest.raises(errors.InputError, match="made with other settings"):
        stages.run_chain([dataclasses.replace(stage, settings="TWO")], records)
    with pytest.raises(errors.InputError, match="did not make the one that is there"):
        stages.run_chain([dataclasses.replace(stage, name="other")], records)
    assert stages.run_chain([stage], records) == []
    assert calls == [1]


def test_half_an_output_is_not_finished_by_an_older_record(tmp_path):
    chain = _chain(tmp_path, [])[:1]
    stages.run_chain(chain, tmp_path / "records")
    chain[0].output.unlink()

    def stop():
        chain[0].output.write_text("half")
        raise errors.Preempted("stopped")

    with pytest.raises(errors.Preempted):
        stages.run_chain(
            [dataclasses.replace(chain[0], run=stop)], tmp_path / "records"
        )
    assert stages.run_chain(chain, tmp_path / "records") == ["stage_0"]


def test_other_settings_are_refused_and_so_is_what_follows_from_them(tmp_path):
    stages.run_chain(_chain(tmp_path, []), tmp_path / "records")
    changed = _chain(tmp_path, [], ("one", "TWO", "three"))
    with pytest.raises(errors.InputError, match="made with other settings"):
        stages.run_chain(changed, tmp_path / "records")
    (tmp_path / "records" / "stage_0.json").unlink()
    changed = _chain(tmp_path, [], ("ONE", "two", "three"))
    with pytest.raises(errors.InputError, match="Stage 'stage_1'"):
        stages.run_chain(changed, tmp_path / "records")


def test_a_stage_follows_only_from_those_that_it_names(tmp_path):
    records = tmp_path / "records"
    first, second, third = _chain(tmp_path, [])
    apart = dataclasses.replace(second, after=())
    assert stages.run_chain([apart], records) == ["stage_1"]
    joined = dataclasses.replace(third, after=("stage_0", "stage_1"))
    assert stages.run_chain([first, apart, joined], records) == ["stage_0", "stage_2"]
    (records / "stage_0.json").unlink()
    changed = dataclasses.replace(first, settings="ONE")
    with pytest.raises(errors.InputError, match="Stage 'stage_2'"):
        stages.run_chain([changed, apart, joined], records)


def test_a_stage_that_leaves_nothing_is_an_error(tmp_path):
    stage = stages.Stage(
        name="empty", output=tmp_path / "none", settings={}, run=lambda: None
    )
    with pytest.raises(errors.InputError, match="'empty' must leave"):
        stages.run_chain([stage], tmp_path / "records")


def test_records_hold_seconds_and_figures(tmp_path):
    times = iter(range(0, 100, 10))
    chain = _chain(tmp_path, [])
    stages.run_chain(chain, tmp_path / "records", clock=lambda: next(times))
    records = stages.read_records(tmp_path / "records")
    assert [records[f"stage_{i}"]["seconds"] for i in range(3)] == [10, 10, 10]
    assert records["stage_1"]["figures"] == {"size": 7.0}
    assert "figures" not in records["stage_0"]
    assert len({json.dumps(record["digest"]) for record in records.values()}) == 3


def test_a_finished_stage_with_other_contents_is_refused(tmp_path):
    calls = []
    data, other = tmp_path / "pairs.jsonl", tmp_path / "new.gin"
    data.write_text("a")

    def chain(**inputs):
        (first, *others) = _chain(tmp_path, calls)
        return [dataclasses.replace(first, inputs=inputs), *others]

    records = tmp_path / "records"
    stages.run_chain(chain(pairs=data), records)
    moved = data.rename(tmp_path / "moved.jsonl")
    other.write_text("b")
    assert stages.run_chain(chain(pairs=moved, new=other), records) == []
    moved.write_text("c")
    with pytest.raises(errors.InputError, match=r"'stage_0' .* contents of pairs "):
        stages.run_chain(chain(pairs=moved), records)
    assert calls == [0, 1, 2]


def test_records_that_know_no_inputs_are_still_good(tmp_path):
    calls = []
    first = _chain(tmp_path, calls)[0]
    stages.run_chain([first], tmp_path / "records")
    later = dataclasses.replace(first, inputs={"pairs": tmp_path / "pairs.jsonl"})
    assert stages.run_chain([later], tmp_path / "records") == []
