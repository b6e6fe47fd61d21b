"""The leader's batches: each clip once, decided once, the same for whoever asks."""

import dataclasses

import jax
import numpy as np
import pytest

from musicrl_jax.core import errors, sharding
from musicrl_jax.transport import (
    batches,
    keys,
    leader,
    manifests,
    selection,
    trajectories,
    waits,
)

NOW = waits.Patience(timeout_seconds=1e-9, sleep=lambda _: None)
LINEAGE = {step: f"digest-{step}" for step in range(10)}


def _leader(run, batch_clips=4, max_staleness=2, epoch=1, lineage=LINEAGE):
    return leader.BatchLeader(
        log=run.log,
        trajectories=run.reader,
        config=selection.SelectionConfig(
            batch_clips=batch_clips, max_staleness=max_staleness
        ),
        epoch=epoch,
        lineage=lineage,
    )


def _put(run, trajectory):
    run.store.put_if_absent(trajectory.key, trajectories.to_bytes(trajectory))


def test_clips_are_used_once_and_leftovers_go_to_the_next_batch(run, make_trajectory):
    for seq in range(4):
        _put(run, make_trajectory(seq=seq, clips=3))
    lead = _leader(run)
    items = [lead.manifest(step, NOW).items for step in range(3)]
    used = [item for batch in items for item in batch]
    everything = [(make_trajectory(seq=s).key, c) for s in range(4) for c in range(3)]
    assert used == everything


def test_a_manifest_is_never_decided_twice(url, run, make_trajectory):
    _put(run, make_trajectory(seq=0, clips=4))
    first = _leader(run).manifest(0, NOW)
    _put(run, make_trajectory("a0", seq=0, clips=4))
    other = type(run)(url)
    assert _leader(other, epoch=2).manifest(0, NOW) == first


def test_two_leaders_converge_on_one_manifest(url, run, make_trajectory):
    _put(run, make_trajectory("a1", clips=4))
    other = type(run)(url)
    mine, theirs = _leader(run), _leader(other, epoch=2)
    selected = theirs._select(0)
    _put(run, make_trajectory("a0", clips=4))
    stands = mine.manifest(0, NOW)
    proposal = manifests.Manifest(step=0, epoch=2, **vars(selected))
    assert proposal.items != stands.items
    assert other.log.commit(proposal) == stands


def test_assembled_arrays_are_the_trajectories_rows(run, make_trajectory):
    made = [make_trajectory(seq=seq) for seq in range(2)]
    for trajectory in made:
        _put(run, trajectory)
    manifest = _leader(run).manifest(0, NOW)
    mesh = sharding.make_mesh(sharding.MeshConfig())
    batch = batches.assemble(run.reader, manifest, sharding.batch_sharding(mesh))
    for name in ("tokens", "log_probs", "conditioning", "rewards"):
        expected = np.concatenate([getattr(trajectory, name) for trajectory in made])
        np.testing.assert_array_equal(getattr(batch, name), expected)
    assert len(batch.tokens.sharding.device_set) == len(jax.devices())
    parts = batches.reward_parts(run.reader, manifest)
    expected = np.concatenate([trajectory.reward_parts["text"] for trajectory in made])
    np.testing.assert_array_equal(parts["text"], expected)


def test_a_replay_gives_the_same_batch_on_another_mesh(url, run, make_trajectory):
    for seq in range(2):
        _put(run, make_trajectory(seq=seq))
    lead = _leader(run)
    mesh = sharding.make_mesh(sharding.MeshConfig())
    batch = batches.assemble(
        run.reader, lead.manifest(0, NOW), sharding.batch_sharding(mesh)
    )
    again = type(run)(url)
    one = sharding.make_mesh(sharding.MeshConfig(), jax.devices()[:1])
    replayed = batches.assemble(
        again.reader, _leader(again).manifest(0, NOW), sharding.batch_sharding(one)
    )
    jax.tree.map(np.testing.assert_array_equal, batch, replayed)


def test_too_few_clips_is_a_temporary_error_that_says_what_there_is(
    run, make_trajectory
):
    _put(run, make_trajectory(clips=3))
    _put(run, make_trajectory(seq=1, digest="another"))
    with pytest.raises(errors.TemporaryError, match="3 are usable and 1 traj"):
        _leader(run).manifest(0, NOW)
    assert run.store.list(keys.BATCHES) == []


def test_a_corrupt_object_is_put_aside_named_and_counted(run, make_trajectory):
    bad = make_trajectory(seq=0, clips=4)
    data = bytearray(trajectories.to_bytes(bad))
    data[-1] ^= 1
    run.store.put_if_absent(bad.key, bytes(data))
    _put(run, make_trajectory(seq=1, clips=4))
    manifest = _leader(run).manifest(0, NOW)
    assert manifest.drop_counts == {"corrupt": 1}
    assert manifest.items[0][0] == make_trajectory(seq=1).key
    assert run.store.get(bad.key) is None
    assert run.store.get(keys.quarantine_key(bad.key)) == bytes(data)


def test_an_object_under_anothers_key_is_corrupt(run, make_trajectory):
    run.store.put_if_absent(
        make_trajectory(seq=5).key, trajectories.to_bytes(make_trajectory(seq=6))
    )
    _put(run, make_trajectory(seq=7, clips=4))
    assert _leader(run).manifest(0, NOW).drop_counts == {"corrupt": 1}


@pytest.mark.parametrize("damage", ["change", "remove"])
def test_a_decided_trajectory_that_changed_ends_the_run(
    url, run, make_trajectory, damage
):
    trajectory = make_trajectory(clips=4)
    _put(run, trajectory)
    _leader(run).manifest(0, NOW)
    run.store.delete(trajectory.key)
    if damage == "change":
        _put(run, dataclasses.replace(trajectory, rewards=trajectory.rewards + 1))
    again = type(run)(url)
    mesh = sharding.batch_sharding(sharding.make_mesh(sharding.MeshConfig()))
    with pytest.raises(errors.InvariantError, match=trajectory.key):
        batches.assemble(again.reader, _leader(again).manifest(0, NOW), mesh)


def test_stray_files_are_passed_over(run, make_trajectory):
    run.store.put_if_absent("traj/notes.txt", b"hello")
    run.store.put_if_absent("traj/3_a1_4", b"not padded")
    run.store.put_if_absent("traj/probe-1", b"probe")
    _put(run, make_trajectory(clips=4))
    assert _leader(run).manifest(0, NOW).dropped == ()
    assert len(run.store.list(keys.TRAJECTORIES)) == 4


def test_the_wait_ends_when_clips_come(run, make_trajectory):
    seqs = iter(range(9))

    def sleep(_seconds):
        _put(run, make_trajectory(seq=next(seqs)))

    patience = waits.Patience(timeout_seconds=60.0, clock=lambda: 0.0, sleep=sleep)
    assert len(_leader(run).manifest(0, patience).items) == 4
