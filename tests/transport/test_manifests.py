"""Manifests: written once, without gaps, and what they say of each trajectory."""

import pytest

from musicrl_jax.core import errors
from musicrl_jax.transport import keys, manifests

KEY = keys.TrajectoryId(3, "a_1", 7).key


def _manifest(step, items=((KEY, 0),), clips=2, dropped=(), epoch=1):
    objects = {key: manifests.SourceObject(sha256="s", clips=clips) for key, _ in items}
    return manifests.Manifest(
        step=step, epoch=epoch, items=items, objects=objects, dropped=dropped
    )


def test_a_manifest_survives_its_bytes():
    manifest = _manifest(4, dropped=((KEY, "stale"),))
    again = manifests.Manifest.from_bytes(manifest.to_bytes())
    assert again == manifest
    assert again.sha256 == manifest.sha256
    assert again.staleness == [1]
    assert again.drop_counts == {"stale": 1}


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"step": "x"}', b"\xff"])
def test_what_is_no_manifest_ends_the_run(run, data):
    run.store.put_if_absent(keys.batch_key(0), data)
    with pytest.raises(errors.InvariantError):
        run.log.refresh()


def test_a_manifest_under_anothers_number_ends_the_run(run):
    run.store.put_if_absent(keys.batch_key(0), _manifest(1).to_bytes())
    with pytest.raises(errors.InvariantError, match="says step 1"):
        run.log.refresh()


def test_the_first_proposal_stands(url, run):
    other = type(run)(url)
    mine, theirs = _manifest(0), _manifest(0, epoch=2)
    assert run.log.commit(mine) == mine
    assert other.log.commit(theirs) == mine
    assert other.log.next_step == 1


def test_gaps_are_refused(run):
    with pytest.raises(errors.InvariantError, match="next manifest is of step 0"):
        run.log.commit(_manifest(1))
    assert run.store.list("") == []


def test_a_trajectory_is_closed_when_all_its_clips_are_used(run):
    run.log.commit(_manifest(0))
    assert not run.log.is_closed(KEY)
    assert run.log.used_clips(KEY) == {0}
    run.log.commit(_manifest(1, items=((KEY, 1),)))
    assert run.log.is_closed(KEY)
    assert run.log.last_step_with(KEY) == 1
    assert run.log.owner("a_1", 7) == KEY


def test_a_dropped_trajectory_is_closed_and_owns_nothing(run):
    dropped = keys.TrajectoryId(0, "a_1", 9).key
    run.log.commit(_manifest(0, dropped=((dropped, "stale"),)))
    assert run.log.is_closed(dropped)
    assert run.log.owner("a_1", 9) is None
    assert run.log.last_seq("a_1") == 9
    assert run.log.last_seq("a") == -1


def test_keys_with_separators_in_the_actors_name_come_back():
    identity = keys.TrajectoryId(3, "pod-1_host_2", 7)
    assert keys.TrajectoryId.parse(identity.key) == identity


@pytest.mark.parametrize("key", ["traj/x", "traj/1__2", "traj/a_b_c", "traj/1_2"])
def test_other_names_are_no_trajectories(key):
    assert keys.TrajectoryId.parse(key) is None
