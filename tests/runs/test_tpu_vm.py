"""A TPU VM's role through queueing, pre-emption and failure, without gcloud."""

import os
import subprocess
import time

import pytest
from tpu_clouds import ARCHIVE, DONE, NEW, RUNS, Cloud, commands, machine

from musicrl_jax.core import errors
from musicrl_jax.runs import gcloud_calls, tpu_vm


def test_waits_installs_starts_and_watches():
    cloud = Cloud(["WAITING_FOR_RESOURCES", "PROVISIONING", NEW, RUNS, RUNS, DONE])
    machine(cloud).run(ARCHIVE)
    waits = ["list", "create", "list", "list", "list"]
    assert cloud.calls == [
        *waits,
        *("poll", "scp", "install", "start"),
        *("list", "poll") * 3,
    ]


def test_makes_a_slice_anew_that_was_taken_away():
    cloud = Cloud([NEW, RUNS, "SUSPENDING", "SUSPENDED"], ["ACCEPTED", NEW, RUNS, DONE])
    said = []
    machine(cloud, said).run(ARCHIVE)
    assert cloud.calls.count("create") == 2
    assert cloud.calls.count("delete") == 1
    assert cloud.calls.count("start") == 2
    assert "slice run1 is SUSPENDING" in said


def test_a_failed_request_is_made_again():
    cloud = Cloud(["FAILED"], [NEW, DONE])
    machine(cloud).run(ARCHIVE)
    assert cloud.calls[:5] == ["list", "create", "list", "delete", "list"]


def test_tries_end():
    cloud = Cloud(*[[NEW, RUNS, "SUSPENDED"]] * 5)
    with pytest.raises(errors.TemporaryError, match="All 3 tries"):
        machine(cloud).run(ARCHIVE)
    assert cloud.calls.count("start") == 3


def test_the_wait_for_a_slice_ends():
    cloud = Cloud(["WAITING_FOR_RESOURCES"])
    with pytest.raises(errors.TemporaryError, match="WAITING_FOR_RESOURCES and keeps"):
        machine(cloud, wait_seconds=50.0).run(ARCHIVE)
    assert cloud.seconds <= 70.0
    assert "scp" not in cloud.calls


@pytest.mark.parametrize("codes", ["1 1 1 1", "143 143 143 143", "0 134 absent 0"])
def test_a_role_that_broke_off_is_started_again_on_the_same_slice(codes):
    cloud = Cloud([NEW, codes, codes, DONE])
    machine(cloud).run(ARCHIVE)
    assert cloud.calls.count("create") == 1
    assert cloud.calls.count("start") == 2


@pytest.mark.parametrize("code", [2, 70, 78])
def test_a_hopeless_role_ends_at_once_with_its_code(code):
    cloud = Cloud([NEW, f"1 {code} 1 1"])
    with pytest.raises(tpu_vm.RoleFailed, match=f"code {code}") as caught:
        machine(cloud).run(ARCHIVE)
    assert caught.value.exit_code == code
    assert cloud.calls.count("start") == 1


def test_waits_until_all_workers_have_ended():
    cloud = Cloud([NEW, "0 running 0 0", "0 0", DONE])
    machine(cloud).run(ARCHIVE)
    assert cloud.calls.count("poll") == 4


def test_a_role_that_runs_already_is_only_watched():
    cloud = Cloud([RUNS, RUNS, DONE])
    cloud.exists = True
    machine(cloud).run(ARCHIVE)
    assert not {"create", "scp", "install", "start"} & set(cloud.calls)


def test_a_lost_connection_is_borne_and_a_deaf_slice_given_up():
    cloud = Cloud([NEW, "deaf", RUNS, *["deaf"] * 4, DONE])
    machine(cloud).run(ARCHIVE)
    assert "delete" not in cloud.calls
    cloud = Cloud([NEW, *["deaf"] * tpu_vm.UNREACHABLE], [NEW, DONE])
    machine(cloud).run(ARCHIVE)
    assert cloud.calls.count("create") == 2


def test_delete_gives_back_what_is_there():
    cloud = Cloud([RUNS])
    machine(cloud).delete()
    assert cloud.calls == ["list"]
    cloud.exists = True
    machine(cloud).delete()
    assert cloud.calls[1:] == ["list", "delete"]


def test_lines_for_gcloud():
    spot = commands("v5p:4x4x4", spot=True, project="p", service_account="s@p")
    assert spot.create() == [
        *("gcloud", "compute", "tpus", "queued-resources", "create", "run1"),
        *("--node-id=run1", "--accelerator-type=v5p-128"),
        *("--runtime-version=v2-alpha-tpuv5", "--spot", "--service-account=s@p"),
        *("--zone=zone-a", "--quiet", "--project=p"),
    ]
    assert "--spot" not in commands().create()
    for line in (spot.copy(ARCHIVE), spot.install(), spot.start(), spot.poll()):
        assert "--worker=all" in line
    assert "--force" in spot.delete()


@pytest.mark.parametrize(("topology", "told"), [("v5e:2x4", 0), ("v5p:4x4x4", 16)])
def test_a_role_over_several_workers_knows_how_many(topology, told):
    start = " ".join(commands(topology).start())
    assert (f"MUSICRL_NUM_PROCESSES={told} " in start) == bool(told)
    assert ("MUSICRL_NUM_PROCESSES" in start) == bool(told)


@pytest.fixture
def worker(tmp_path):
    """Runs what a worker of a slice is told, with a role that waits for a file."""
    role = tmp_path / "musicrl" / ".venv" / "bin" / "musicrl"
    role.parent.mkdir(parents=True)
    role.write_text(
        '#!/bin/sh\necho "$JAX_PLATFORMS $*" >> ~/starts\n'
        "while [ ! -e ~/end ]; do sleep 0.02; done\nexit 7\n"
    )
    role.chmod(0o755)

    def tell(line):
        (command,) = [w for w in line if w.startswith("--command=")]
        done = subprocess.run(
            ["bash", "-c", command.removeprefix("--command=")],
            env=os.environ | {"HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        return done.stdout.strip()

    return tell


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_worker_runs_its_role_once_detached_and_keeps_its_code(worker, tmp_path):
    lines = commands()
    assert worker(lines.poll()) == "absent"
    worker(lines.start())
    wait_for((tmp_path / "starts").exists)
    assert worker(lines.poll()) == "running"
    worker(lines.start())
    (tmp_path / "end").touch()
    wait_for(lambda: worker(lines.poll()) != "running")
    assert worker(lines.poll()) == "7"
    starts = (tmp_path / "starts").read_text()
    assert starts == "tpu,cpu learner --run_dir gs://b/run1\n"


@pytest.mark.parametrize(
    "fields", [{"tries": 0}, {"wait_seconds": 0.0}, {"poll_seconds": float("nan")}]
)
def test_refuses_bad_limits(fields):
    with pytest.raises(errors.InputError):
        tpu_vm.Limits(**fields)


def test_a_failed_call_says_its_last_words():
    with pytest.raises(errors.TemporaryError, match="no quota"):
        gcloud_calls.call(["sh", "-c", "echo no quota >&2; exit 1"])
    with pytest.raises(errors.TemporaryError, match="more than"):
        gcloud_calls.call(["sleep", "9"], timeout_seconds=0.05)
    with pytest.raises(errors.InputError, match="Google Cloud CLI"):
        gcloud_calls.call(["no-such-gcloud"])
