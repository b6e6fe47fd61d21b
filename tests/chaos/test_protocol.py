"""The protocol's promises while real processes are killed with SIGKILL."""

import json
import pathlib
import subprocess
import sys

import pytest

DRIVER = pathlib.Path(__file__).with_name("protocol_driver.py")


def _run(tmp_path, *, kills, steps, seconds, seed):
    command = [sys.executable, DRIVER, tmp_path / "run", kills, steps, seconds, seed]
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _check(outcome, kills, steps):
    assert outcome["killed"] == kills, outcome
    assert outcome["codes"].get("learner 0"), outcome
    assert outcome["steps"] >= steps
    assert outcome["gapless"]
    assert outcome["full"]
    assert outcome["items"] == 4 * outcome["steps"]
    assert outcome["twice"] == 0
    assert outcome["shared_numbers"] == 0
    assert outcome["vandal_used"] == 0
    assert outcome["staleness"] <= 4
    assert outcome["exact"]
    assert outcome["left"] < 40
    ends = {int(entry.split()[1]) for entry in outcome["codes"]}
    assert ends <= {0, -9, 70}, outcome


def test_killed_processes_lose_nothing_and_repeat_nothing(tmp_path):
    outcome = _run(tmp_path, kills=12, steps=30, seconds=300, seed=1)
    _check(outcome, kills=12, steps=30)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_a_long_run_under_fire_keeps_its_promises(tmp_path, seed):
    outcome = _run(tmp_path, kills=80, steps=250, seconds=400, seed=seed)
    _check(outcome, kills=80, steps=250)
    assert outcome["replayed"] > 0
    assert outcome["dropped"].get("corrupt", 0) > 0
    assert outcome["quarantined"] > 0
