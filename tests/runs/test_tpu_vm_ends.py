"""What becomes of a slice when its role ends for good, and when gcloud fails."""

import re

import pytest
from tpu_clouds import ARCHIVE, DONE, NEW, RUNS, Cloud, machine

from musicrl_jax.core import errors
from musicrl_jax.runs import tpu_vm

FAILED = f"{NEW}, 2 0 0 0".split(", ")
GIVES_BACK = "gcloud compute tpus queued-resources delete run1 --force --zone=zone-a"


def test_a_slice_is_given_back_when_the_role_is_done(tmp_path):
    log = tmp_path / "log"
    cloud = Cloud([NEW, DONE])
    machine(cloud, log=log).run(ARCHIVE)
    assert cloud.calls[-1] == "delete"
    assert not log.exists()


@pytest.mark.parametrize("code", [2, 70, 78])
def test_a_slice_is_given_back_when_the_role_failed_and_its_log_is_kept(code, tmp_path):
    log = tmp_path / "log"
    log.write_text("of before\n")
    cloud = Cloud([NEW, f"{code} {code} 1 1"])
    with pytest.raises(tpu_vm.RoleFailed, match="given back") as caught:
        machine(cloud, log=log).run(ARCHIVE)
    assert caught.value.exit_code == code
    assert str(log) in str(caught.value)
    assert log.read_text() == "of before\nworker-0: what it said last\n"
    assert cloud.calls[-3:] == ["log", "list", "delete"]


def test_a_slice_is_given_back_when_the_tries_are_used_up(tmp_path):
    cloud = Cloud([NEW, "1 1 1 1"])
    with pytest.raises(errors.TemporaryError, match=r"All 3 tries.* was given back"):
        machine(cloud, log=tmp_path / "log").run(ARCHIVE)
    assert cloud.calls[-3:] == ["log", "list", "delete"]


@pytest.mark.parametrize("place", ["no such folder/log", "log"])
def test_a_log_that_cannot_be_had_keeps_no_slice(place, tmp_path):
    cloud = Cloud(FAILED)
    cloud.failures["log"] = [place == "log"] * tpu_vm.UNREACHABLE
    with pytest.raises(tpu_vm.RoleFailed, match=r"not be fetched: .* was given back"):
        machine(cloud, log=tmp_path / place).run(ARCHIVE)
    assert cloud.calls[-1] == "delete"


def test_a_slice_that_gcloud_does_not_delete_is_told_with_the_code_of_the_role(
    tmp_path,
):
    cloud = Cloud(FAILED)
    cloud.failures["delete"] = [True] * tpu_vm.UNREACHABLE
    with pytest.raises(tpu_vm.RoleFailed, match=GIVES_BACK) as caught:
        machine(cloud, log=tmp_path / "log").run(ARCHIVE)
    assert caught.value.exit_code == 2


def test_a_slice_that_is_kept_is_told_with_the_line_that_deletes_it():
    said = []
    machine(Cloud([NEW, DONE]), said).run(ARCHIVE)
    assert GIVES_BACK in said[-1]
    for play, kind in [
        (FAILED, tpu_vm.RoleFailed),
        ([NEW, "1 1 1 1"], errors.TemporaryError),
    ]:
        cloud = Cloud(play)
        with pytest.raises(kind, match=rf"costs money.*{re.escape(GIVES_BACK)}"):
            machine(cloud).run(ARCHIVE)
        assert "delete" not in cloud.calls
    with pytest.raises(errors.TemporaryError, match=GIVES_BACK):
        machine(Cloud(["ACCEPTED"]), wait_seconds=20.0).run(ARCHIVE)


@pytest.mark.parametrize("verb", ["list", "create"])
def test_failures_of_gcloud_in_asking_for_a_slice_are_borne(verb):
    cloud = Cloud(["ACCEPTED", NEW, DONE])
    cloud.failures[verb] = [True] * (tpu_vm.UNREACHABLE - 1)
    said = []
    machine(cloud, said).run(ARCHIVE)
    assert sum("503" in line for line in said) == tpu_vm.UNREACHABLE - 1
    assert cloud.calls.count("start") == 1


def test_failures_between_answers_do_not_add_up():
    cloud = Cloud(["ACCEPTED"] * 12)
    cloud.failures["list"] = [False, True, True, True] * 3
    with pytest.raises(errors.TemporaryError, match="not to be had"):
        machine(cloud).run(ARCHIVE)


def test_a_gcloud_that_only_fails_ends_the_launch():
    cloud = Cloud([NEW])
    cloud.failures["create"] = [True] * 99
    with pytest.raises(errors.TemporaryError, match=f"503.*{GIVES_BACK}"):
        machine(cloud).run(ARCHIVE)
    assert cloud.calls.count("create") == tpu_vm.UNREACHABLE


def test_a_slice_that_is_being_deleted_is_waited_out():
    cloud = Cloud(["DELETING", "DELETING", "ABSENT"], [NEW, DONE])
    cloud.exists = True
    machine(cloud).run(ARCHIVE)
    assert cloud.calls[:5] == ["list", "list", "list", "create", "list"]
    assert "delete" not in cloud.calls
    cloud = Cloud(["DELETING"])
    cloud.exists = True
    machine(cloud).delete()
    assert cloud.calls == ["list"]


def test_a_deaf_slice_that_cannot_be_given_back_does_not_end_the_launch():
    cloud = Cloud([NEW, *["deaf"] * tpu_vm.UNREACHABLE, RUNS, DONE])
    cloud.failures["delete"] = [True] * tpu_vm.UNREACHABLE
    said = []
    machine(cloud, said).run(ARCHIVE)
    assert any(GIVES_BACK in line for line in said)
    assert cloud.calls.count("start") == 1


def test_between_tries_that_could_not_start_the_role_there_is_a_pause():
    cloud = Cloud(["deaf", "deaf", NEW, DONE])
    machine(cloud).run(ARCHIVE)
    assert cloud.seconds >= 2 * 10.0
