"""Checkpoints: what is restored is what was saved, or the one before."""

import os
import pathlib
import resource

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from musicrl_jax.checkpoints import digests, manager, reader
from musicrl_jax.core import errors, sharding


def _trees(value=0.0):
    policy = {"layer": {"kernel": jnp.arange(4096.0).reshape(64, 64) + value}}
    return {
        "policy": policy,
        "value": {"head": jnp.full((8,), value)},
        "optimizer": optax.adamw(1e-3).init(policy),
    }


def _save(run_dir, *steps, epoch=1, keep=5):
    store = manager.CheckpointStore(str(run_dir), epoch, keep=keep)
    for step in steps:
        store.save(step, _trees(float(step)), {"step": step})
    store.close()


def _restore(run_dir):
    return reader.CheckpointReader(str(run_dir)).restore_newest_verified(
        jax.eval_shape(_trees)
    )


def _files(run_dir, step, epoch=1, item="policy"):
    folder = pathlib.Path(run_dir, "checkpoints", f"e{epoch:06d}", str(step), item)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _damage(run_dir, step, change):
    path = max(_files(run_dir, step), key=os.path.getsize)
    data = bytearray(path.read_bytes())
    path.write_bytes(change(data))


def _flip(data):
    data[len(data) // 2] ^= 4
    return bytes(data)


def test_what_is_restored_is_what_was_saved(tmp_path):
    _save(tmp_path, 3)
    restored = _restore(tmp_path)
    assert (restored.identity.epoch, restored.identity.step) == (1, 3)
    assert restored.meta == {"step": 3}
    assert jax.tree.structure(restored.trees) == jax.tree.structure(_trees())
    jax.tree.map(np.testing.assert_array_equal, restored.trees, _trees(3.0))
    assert restored.policy == digests.digest_tree(_trees(3.0)["policy"])


def test_a_fresh_run_has_nothing_to_restore(tmp_path):
    assert _restore(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_the_highest_epoch_and_then_step_is_taken(tmp_path):
    _save(tmp_path, 4, 9)
    _save(tmp_path, 6, epoch=2)
    assert _restore(tmp_path).identity == reader.CheckpointId(epoch=2, step=6)
    assert reader.CheckpointReader(str(tmp_path)).oldest_step() == 4


@pytest.mark.parametrize(
    "change",
    [_flip, lambda data: bytes(data[: len(data) // 2]), lambda data: b""],
    ids=["bit flip", "truncated", "empty"],
)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, change):
    _save(tmp_path, 1, 2)
    _damage(tmp_path, 2, change)
    restored = _restore(tmp_path)
    assert restored.identity.step == 1
    assert "e000001/2 is damaged" in restored.rejected[0]
    jax.tree.map(np.testing.assert_array_equal, restored.trees, _trees(1.0))


def test_damaged_meta_gives_way_too(tmp_path):
    _save(tmp_path, 1, 2)
    (meta,) = [path for path in _files(tmp_path, 2, item="meta") if "meta" in path.name]
    meta.write_text(meta.read_text().replace('"step": 2', '"step": 3', 1))
    assert _restore(tmp_path).identity.step == 1


def test_no_believable_checkpoint_is_no_fresh_run(tmp_path):
    _save(tmp_path, 1, 2)
    _damage(tmp_path, 1, _flip)
    _damage(tmp_path, 2, _flip)
    with pytest.raises(errors.InvariantError, match="None of 2 checkpoints"):
        _restore(tmp_path)


def test_empty_and_unfinished_folders_are_passed_over(tmp_path):
    _save(tmp_path, 1)
    folder = tmp_path / "checkpoints" / "e000001"
    (folder / "2").mkdir()
    (folder / "3.orbax-checkpoint-tmp").mkdir()
    (tmp_path / "checkpoints" / "e000009").mkdir()
    (tmp_path / "checkpoints" / "notes.txt").write_text("hello")
    assert _restore(tmp_path).identity.step == 1


def test_another_shape_or_tree_is_an_input_error_and_no_fall_back(tmp_path):
    _save(tmp_path, 1)
    checkpoints = reader.CheckpointReader(str(tmp_path))
    abstract = jax.eval_shape(_trees)
    abstract["value"] = {"head": jax.ShapeDtypeStruct((9,), jnp.float32)}
    with pytest.raises(errors.InputError, match=r"\(8,\) at 'head'.*\(9,\)"):
        checkpoints.restore_newest_verified(abstract)
    abstract = jax.eval_shape(_trees)
    abstract["policy"]["extra"] = jax.ShapeDtypeStruct((1,), jnp.float32)
    with pytest.raises(errors.InputError, match="no leaf at 'extra'"):
        checkpoints.restore_newest_verified(abstract)


def test_an_actor_reads_the_policy_alone_on_its_own_mesh_and_dtype(tmp_path):
    _save(tmp_path, 5)
    for item in ("value", "optimizer"):
        for path in _files(tmp_path, 5, item=item):
            path.unlink()
    mesh = sharding.make_mesh(sharding.MeshConfig(fsdp=4, data=1))
    place = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("fsdp"))
    abstract = {
        "layer": {
            "kernel": jax.ShapeDtypeStruct((64, 64), jnp.bfloat16, sharding=place)
        }
    }
    digest = digests.digest_tree(_trees(5.0)["policy"])
    identity = reader.CheckpointId(epoch=1, step=5)
    checkpoints = reader.CheckpointReader(str(tmp_path))
    params = checkpoints.restore_policy(identity, digest, abstract)
    kernel = params["layer"]["kernel"]
    assert kernel.sharding == place
    expected = _trees(5.0)["policy"]["layer"]["kernel"].astype(jnp.bfloat16)
    np.testing.assert_array_equal(kernel, expected)
    other = digests.digest_tree(_trees(6.0)["policy"])
    with pytest.raises(reader.DamagedCheckpointError, match="digests differ"):
        checkpoints.restore_policy(identity, other, abstract)
    gone = reader.CheckpointId(epoch=1, step=6)
    with pytest.raises(reader.DamagedCheckpointError, match="unreadable"):
        checkpoints.restore_policy(gone, digest, abstract)


def test_a_save_is_reported_once_when_it_is_on_disk(tmp_path):
    store = manager.CheckpointStore(str(tmp_path), 1)
    digest = store.save(7, _trees(), {})
    store.wait()
    (saved,) = store.finished()
    assert saved.policy == digest
    assert saved.identity == reader.CheckpointId(epoch=1, step=7)
    assert saved.identity in reader.CheckpointReader(str(tmp_path)).list()
    assert store.finished() == ()
    store.close()


def test_old_checkpoints_go_within_and_across_epochs(tmp_path):
    _save(tmp_path, 1, 2, 3, keep=2)
    steps = [c.step for c in reader.CheckpointReader(str(tmp_path)).list()]
    assert steps == [2, 3]
    store = manager.CheckpointStore(str(tmp_path), 2, keep=2)
    store.save(4, _trees(), {})
    store.wait()
    store.prune()
    found = [(c.epoch, c.step) for c in reader.CheckpointReader(str(tmp_path)).list()]
    assert found == [(1, 3), (2, 4)]
    store.close()


def test_a_full_disk_surfaces_at_the_wait_and_harms_no_earlier_step(tmp_path):
    _save(tmp_path, 1)
    store = manager.CheckpointStore(str(tmp_path), 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))

    def save_and_wait():
        store.save(2, _trees(), {})
        store.wait()

    try:
        with pytest.raises(errors.TemporaryError, match="step 2 could not") as caught:
            save_and_wait()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert store.finished() == ()
    assert _restore(tmp_path).identity.step == 1


def test_an_unwritable_run_directory_is_an_input_error(tmp_path):
    (tmp_path / "checkpoints").write_text("in the way")
    with pytest.raises(errors.InputError, match="Choose another run directory"):
        manager.CheckpointStore(str(tmp_path), 1)


def test_addresses_that_checkpoints_cannot_use_are_refused_before_anything(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.InputError, match="gs://"):
        reader.CheckpointReader("s3://bucket/run")
    assert list(tmp_path.iterdir()) == []
