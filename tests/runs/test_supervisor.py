import os
import sys
import time

import pytest

from musicrl_jax.runs import finetune, supervisor


def role(name, code, restarts=3):
    return supervisor.Role(
        name=name, command=[sys.executable, "-c", code], restarts=restarts
    )


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("timed out")
        time.sleep(0.02)


def test_a_killed_role_is_started_again_until_it_succeeds(tmp_path):
    flag = tmp_path / "flag"
    code = (
        "import os,pathlib,signal;"
        f"f=pathlib.Path({str(flag)!r});"
        "first=not f.exists();f.touch();"
        "first and os.kill(os.getpid(),signal.SIGKILL)"
    )
    family = supervisor.Supervisor([role("actor", code)], tmp_path / "logs")
    family.start()

    def done():
        family.poll()
        return family.code("actor") == 0

    wait_for(done)
    assert family.restarts() == 1


def test_a_bad_configuration_is_not_retried_and_its_words_are_shown(tmp_path):
    code = "import sys;print('kl_weight must lie in [0, 1)');sys.exit(78)"
    family = supervisor.Supervisor([role("learner", code)], tmp_path)
    family.start()
    wait_for(lambda: family.code("learner") is not None)
    with pytest.raises(supervisor.RoleError, match="kl_weight must lie") as caught:
        family.poll()
    assert caught.value.exit_code == 78
    assert family.restarts() == 0


def test_retries_end(tmp_path):
    family = supervisor.Supervisor(
        [role("actor", "raise SystemExit(75)", restarts=2)], tmp_path
    )
    family.start()

    def give_up():
        try:
            family.poll()
        except supervisor.RoleError:
            return True
        return False

    wait_for(give_up)
    assert family.restarts() == 2


def test_stop_asks_first_and_kills_the_deaf(tmp_path):
    deaf = (
        "import signal,time,pathlib;signal.signal(signal.SIGTERM,signal.SIG_IGN);"
        f"pathlib.Path({str(tmp_path / 'deaf')!r}).touch();time.sleep(60)"
    )
    polite = (
        "import signal,time,sys,pathlib;"
        "signal.signal(signal.SIGTERM,lambda *a: sys.exit(143));"
        f"pathlib.Path({str(tmp_path / 'polite')!r}).touch();time.sleep(60)"
    )
    family = supervisor.Supervisor(
        [role("deaf", deaf), role("polite", polite)], tmp_path / "logs"
    )
    family.start()
    wait_for(lambda: (tmp_path / "deaf").exists() and (tmp_path / "polite").exists())
    family.stop(grace_seconds=1.0)
    assert family.code("polite") == 143
    assert family.code("deaf") == -9


def test_a_role_runs_on_the_cores_that_it_is_given(tmp_path):
    core = min(os.sched_getaffinity(0))
    code = (
        "import os,time;time.sleep(.5);"
        "print(sorted(os.sched_getaffinity(0)), os.nice(0))"
    )
    given = supervisor.Role(
        name="learner",
        command=[sys.executable, "-c", code],
        cores=frozenset({core}),
        niceness=3,
    )
    family = supervisor.Supervisor([given], tmp_path)
    family.start()
    wait_for(lambda: family.code("learner") == 0)
    assert family.last_words("learner") == f"[{core}] {max(os.nice(0), 3)}"


@pytest.mark.parametrize(
    ("cores", "count", "groups"),
    [
        ({3}, 1, [{3}, {3}]),
        ({0, 1}, 1, [{0}, {1}]),
        ({0, 1}, 2, [{0}, {0}, {1}]),
        ({0, 1}, 3, [{0}, {0}, {1}, {1}]),
        ({1, 4, 6, 7}, 2, [{1, 7}, {4}, {6}]),
    ],
)
def test_cores_are_shared_out(monkeypatch, cores, count, groups):
    """Learner, then actors; only with fewer cores than roles does one have company."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    assert finetune.core_groups(count) == groups


def test_a_role_that_was_told_to_stop_goes_on(tmp_path):
    flag = tmp_path / "flag"
    code = (
        "import pathlib,sys;"
        f"f=pathlib.Path({str(flag)!r});"
        "first=not f.exists();f.touch();"
        "sys.exit(143 if first else 0)"
    )
    family = supervisor.Supervisor([role("actor", code)], tmp_path / "logs")
    family.start()

    def done():
        family.poll()
        return family.code("actor") == 0

    wait_for(done)
    assert family.restarts() == 1


def test_restarts_after_a_long_life_are_not_counted_together(tmp_path):
    now = [0.0]
    family = supervisor.Supervisor(
        [role("actor", "raise SystemExit(75)", restarts=1)],
        tmp_path,
        clock=lambda: now[0],
    )
    family.start()
    for _ in range(4):
        wait_for(lambda: family.code("actor") is not None)
        now[0] += supervisor.STABLE_SECONDS + 1
        family.poll()
    assert family.restarts() == 4
    wait_for(lambda: family.code("actor") is not None)
    with pytest.raises(supervisor.RoleError):
        family.poll()


def test_a_nice_parent_is_no_fault(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    given = supervisor.Role(
        name="a",
        command=[sys.executable, "-c", ""],
        cores=frozenset({0}),
        niceness=5,
    )
    family = supervisor.Supervisor([given], tmp_path)
    family.start()
    wait_for(lambda: family.code("a") == 0)
