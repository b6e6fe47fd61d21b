"""Trials as processes: side by side, recorded, resumed, stopped."""

import json
import math
import os
import signal
import sys
import time

import pytest

from musicrl_jax.core import errors
from musicrl_jax.learning import learner
from musicrl_jax.runs import sweep, sweep_results, training
from musicrl_jax.transport import store as stores


def trial(tmp_path, index, value="1"):
    name = f"x-{index}"
    run_dir = str(tmp_path / "trials" / name)
    return sweep.Trial(
        index=index,
        name=name,
        bindings=(("A.x", value),),
        run_dir=run_dir,
        arguments=("--run_dir", run_dir),
        config=f"hash of {value}",
    )


def engine(out, code, parallel=1, stop=lambda: False, report=lambda *_: None):
    return sweep.Engine(
        out=out,
        template=(sys.executable, "-c", code, "{index}", "{slot}", "{arguments}"),
        parallel=parallel,
        stop=stop,
        report=report,
    )


def records(out):
    return sweep.Records(folder=out / "records")


def codes(out, trials):
    found = [records(out).read(one) for one in trials]
    return [record and record["code"] for record in found]


def judge(**fields):
    wanted = {
        "metrics": "metrics/evaluator",
        "metric": "r",
        "mode": "max",
        "at": "last",
    }
    return sweep_results.Judge(**wanted | fields)


def write_rows(one, rows):
    store = stores.open_store(one.run_dir)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    store.put_if_absent("metrics/evaluator.jsonl", text.encode())


def test_words_of_a_command(tmp_path):
    one = trial(tmp_path, 3)
    template = (
        "env",
        "GPU={slot}",
        "musicrl",
        "finetune",
        "{arguments}",
        "{name}:{index}",
    )
    assert sweep.command(one, template, slot=2) == [
        *("env", "GPU=2", "musicrl", "finetune", "--run_dir", one.run_dir, "x-3:3")
    ]
    assert sweep.here(["env", "musicrl", "x"]) == [
        *("env", sys.executable, "-m", "musicrl_jax.cli.main", "x")
    ]


def test_a_failing_trial_is_recorded_and_the_others_go_on(tmp_path):
    trials = [trial(tmp_path, i) for i in range(4)]
    code = (
        "import os,sys,signal; print('word', sys.argv[1]); sys.stdout.flush();"
        "n=int(sys.argv[1]);"
        "n==2 and os.kill(os.getpid(), signal.SIGKILL); sys.exit(7 if n==1 else 0)"
    )
    told = []
    engine(tmp_path, code, 2, report=lambda *x: told.append(x)).run(trials)
    assert codes(tmp_path, trials) == [0, 7, 137, 0]
    assert records(tmp_path).read(trials[1])["last_words"] == "word 1"
    assert told[-1] == (4, 4)
    found = [sweep_results.status(one, records(tmp_path)) for one in trials]
    assert found == ["done", "failed (7)", "failed (137)", "done"]


def test_as_many_run_at_a_time_as_were_asked_for(tmp_path):
    # Each waits for its neighbour; alone, it would wait for ever.
    code = (
        "import pathlib,sys,time;"
        f"folder=pathlib.Path({str(tmp_path)!r});"
        "n=int(sys.argv[1]); (folder/f'{n}.{sys.argv[2]}').touch();"
        "other=f'{n ^ 1}.*';"
        "\nwhile not list(folder.glob(other)): time.sleep(.02)"
    )
    trials = [trial(tmp_path, i) for i in range(4)]
    engine(tmp_path, code, 2).run(trials)
    assert codes(tmp_path, trials) == [0, 0, 0, 0]
    slots = {path.suffix for path in tmp_path.glob("[0-3].*")}
    assert slots == {".0", ".1"}


def test_a_request_to_stop_reaches_the_trial_and_leaves_no_record(tmp_path):
    code = (
        "import pathlib,signal,sys,time;"
        f"folder=pathlib.Path({str(tmp_path)!r});"
        "end=lambda *_: ((folder/'told').touch(), sys.exit(143));"
        "signal.signal(signal.SIGTERM, end);"
        "(folder/'up').touch(); time.sleep(60)"
    )
    trials = [trial(tmp_path, i) for i in range(2)]
    with pytest.raises(errors.Preempted, match="2 trials are left"):
        engine(tmp_path, code, stop=(tmp_path / "up").exists).run(trials)
    assert (tmp_path / "told").exists()
    assert codes(tmp_path, trials) == [None, None]


def test_a_deaf_trial_is_killed_with_its_children(tmp_path):
    pid = tmp_path / "pid"
    code = (
        "import subprocess,sys,signal,pathlib,time;"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child=subprocess.Popen(['sleep','60']);"
        f"pathlib.Path({str(pid)!r}).write_text(str(child.pid)); time.sleep(60)"
    )
    one = engine(tmp_path, code)._start(trial(tmp_path, 0), 0)
    while not pid.exists() or not pid.read_text():
        time.sleep(0.02)
    sweep.end([one.process], grace_seconds=0.1)
    assert one.process.returncode == -signal.SIGKILL
    child = int(pid.read_text())
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and is_alive(child):
        time.sleep(0.02)
    assert not is_alive(child)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_record_of_another_configuration_is_refused(tmp_path):
    records(tmp_path).write(trial(tmp_path, 0), 0, 1.0, "")
    assert records(tmp_path).read(trial(tmp_path, 0))["code"] == 0
    with pytest.raises(errors.InputError, match="another --out"):
        records(tmp_path).read(trial(tmp_path, 0, value="2"))


@pytest.mark.parametrize("text", ["{", "[]", '{"config": "c"}', '{"code": 0}'])
def test_a_damaged_record_is_named(tmp_path, text):
    records(tmp_path).write(trial(tmp_path, 0), 0, 1.0, "")
    (path,) = (tmp_path / "records").iterdir()
    path.write_text(text, "utf-8")
    with pytest.raises(errors.InputError, match=f"{path} is not. Remove it"):
        records(tmp_path).read(trial(tmp_path, 0))


def test_a_metric_that_is_no_number_does_not_count(tmp_path):
    one = trial(tmp_path, 0)
    values = [0.5, None, "much", [1], math.nan]
    write_rows(one, [{"step": i, "reward": x} for i, x in enumerate(values)] + [3])
    (row,) = judge(metric="reward").table([one], tmp_path)
    assert row["reward"] == 0.5


@pytest.mark.parametrize("mark", [learner.DONE_KEY, training.DONE])
def test_a_trial_that_ran_elsewhere_is_done_when_its_run_says_so(tmp_path, mark):
    one = trial(tmp_path, 0)
    assert sweep_results.status(one, records(tmp_path)) == "open"
    assert not os.path.exists(one.run_dir)  # noqa: PTH110
    stores.open_store(one.run_dir).put_if_absent(mark, b"{}")
    assert sweep_results.status(one, records(tmp_path)) == "done"


def test_the_table_ranks_by_the_metric_and_the_best_is_done(tmp_path):
    trials = [trial(tmp_path, i, value=str(i)) for i in range(4)]
    nan = float("nan")
    write_rows(trials[0], [{"step": 1, "r": 9.0}, {"step": 2, "r": 1.0, "kl": 5.0}])
    write_rows(trials[1], [{"step": 1, "r": 2.0}, {"step": 2, "r": nan}])
    write_rows(trials[2], [{"step": 4, "r": 3.0}])
    for number, code in ((0, 0), (1, 0), (2, 1)):
        records(tmp_path).write(trials[number], code, 1.0, "")
    by_last = judge(show=("kl",))
    rows = by_last.table(trials, tmp_path)
    assert [row["trial"] for row in rows] == ["x-2", "x-1", "x-0", "x-3"]
    assert rows[2] == {
        "trial": "x-0",
        "x": "0",
        "status": "done",
        "step": 2,
        "r": 1.0,
        "kl": 5.0,
    }
    assert rows[3]["r"] is None
    assert by_last.best(rows)["trial"] == "x-1"
    by_best = judge(at="best")
    assert by_best.best(by_best.table(trials, tmp_path))["r"] == 9.0
    least = judge(mode="min")
    assert [row["r"] for row in least.table(trials, tmp_path)] == [1.0, 2.0, 3.0, None]
    with pytest.raises(sweep_results.TrialsFailedError, match="1 of 4"):
        sweep_results.check_none_failed(rows, tmp_path)
    sweep_results.write_csv(rows, tmp_path / "results.csv")
    lines = (tmp_path / "results.csv").read_text().splitlines()
    assert lines[0] == "trial,x,status,step,r,kl"
    assert lines[4] == "x-3,3,open,,,"


def test_metrics_are_read_from_a_bucket_and_a_torn_line_is_left_out(tmp_path):
    one = sweep.Trial(
        index=0,
        name="x",
        bindings=(),
        run_dir="",
        arguments=(),
        config="",
    )
    store = stores.open_store(f"file://{tmp_path}/run/")
    for number in (1, 0):
        row = json.dumps({"step": number}).encode()
        store.put_if_absent(f"metrics/evaluator/{number:09d}", row)
    bucket = sweep.Trial(**vars(one) | {"run_dir": f"file://{tmp_path}/run/"})
    rows = sweep_results.read_metrics(bucket, "metrics/evaluator")
    assert rows == [{"step": 0}, {"step": 1}]
    folder = sweep.Trial(**vars(one) | {"run_dir": str(tmp_path / "plain")})
    stores.open_store(folder.run_dir).put_if_absent("m.jsonl", b'{"step": 1}\n{"st')
    assert sweep_results.read_metrics(folder, "m") == [{"step": 1}]
