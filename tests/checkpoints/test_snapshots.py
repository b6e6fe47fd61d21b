"""Snapshots of a supervised run: the newest whole one, and the best one."""

import logging
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.checkpoints import seals, snapshots
from musicrl_jax.core import errors


def tree(value=0.0):
    return {"weight": jnp.arange(2048.0) + value, "step": jnp.asarray(int(value))}


def saved(folder, *steps, keep=3):
    store = snapshots.TreeSnapshots(folder, keep=keep)
    for step in steps:
        store.save(step, tree(step))
    store.close()


def restored(folder, like=None):
    store = snapshots.TreeSnapshots(folder)
    try:
        return store.restore_newest(like or tree())
    finally:
        store.close()


def largest_file(folder):
    return max(folder.rglob("*"), key=lambda path: path.stat().st_size)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def test_newest_comes_back_and_old_ones_go(tmp_path):
    saved(tmp_path / "run", 1, 2, 3, keep=2)
    jax.tree.map(np.testing.assert_array_equal, restored(tmp_path / "run"), tree(3))
    kept = {path.name for path in (tmp_path / "run").iterdir() if path.is_dir()}
    assert kept == {"2", "3"}
    assert all(seals.is_sealed(tmp_path / "run" / name) for name in kept)


def test_nothing_comes_back_from_nothing(tmp_path):
    assert restored(tmp_path / "run") is None


@pytest.mark.parametrize("harm", [truncate, flip_a_bit])
def test_damaged_newest_gives_way_to_the_one_before(tmp_path, caplog, harm):
    saved(tmp_path / "run", 4, 8)
    harm(largest_file(tmp_path / "run" / "8"))
    with caplog.at_level(logging.WARNING):
        state = restored(tmp_path / "run")
    assert int(state["step"]) == 4
    (record,) = [r for r in caplog.records if r.name == snapshots.__name__]
    assert "8 is damaged" in record.message
    assert "from step 4" in record.message
    assert (tmp_path / snapshots.DAMAGED / "8").is_dir()
    saved(tmp_path / "run", 8)  # the place is free again
    assert int(restored(tmp_path / "run")["step"]) == 8


def test_damage_of_all_is_one_clear_error_and_moves_nothing(tmp_path):
    saved(tmp_path / "run", 4, 8)
    for name in ("4", "8"):
        truncate(largest_file(tmp_path / "run" / name))
    with pytest.raises(errors.InvariantError, match="None of 2 checkpoints"):
        restored(tmp_path / "run")
    assert (tmp_path / "run" / "8").is_dir()


def test_checkpoint_of_another_network_is_refused_and_left(tmp_path):
    saved(tmp_path / "run", 4, 8)
    other = tree() | {"bias": jnp.zeros(3)}
    with pytest.raises(errors.InputError, match="another network"):
        restored(tmp_path / "run", other)
    assert int(restored(tmp_path / "run")["step"]) == 8


def test_checkpoint_without_checksums_is_believed(tmp_path):
    saved(tmp_path / "run", 4)
    (tmp_path / "run" / "4" / seals.NAME).unlink()
    assert int(restored(tmp_path / "run")["step"]) == 4


@pytest.mark.parametrize(("mode", "best"), [("min", 2), ("max", 3)])
def test_best_outlives_worse_ones_and_the_process(tmp_path, mode, best):
    losses = {1: 0.5, 2: 0.2, 3: 0.9, 4: 0.4, 5: float("nan")}
    for steps in ((1, 2, 3), (4, 5)):
        keeper = snapshots.BestSnapshot(tmp_path / "best", "validation/loss", mode)
        for step in steps:
            keeper.offer(step, tree(step), {"validation/loss": losses[step], "x": 0.0})
        keeper.close()
    keeper = snapshots.BestSnapshot(tmp_path / "best", "validation/loss", mode)
    assert int(keeper.restore(tree())["step"]) == best
    keeper.close()


def best_restored(folder):
    keeper = snapshots.BestSnapshot(folder, "loss", "min")
    try:
        return keeper.restore(tree())
    finally:
        keeper.close()


def best_saved(folder):
    keeper = snapshots.BestSnapshot(folder, "loss", "min")
    keeper.offer(4, tree(4), {"loss": 0.5})
    keeper.close()
    return folder / "4"


@pytest.mark.parametrize("harm", [truncate, flip_a_bit, pathlib.Path.unlink])
@pytest.mark.parametrize("item", ["default", "metrics"])
def test_damaged_best_is_refused_with_the_way_out(tmp_path, item, harm):
    best = best_saved(tmp_path / "best")
    harm(largest_file(best / item))
    with pytest.raises(errors.InvariantError, match=f"or remove {best.parent} and"):
        best_restored(best.parent)


def test_best_that_is_damaged_later_is_refused_too(tmp_path):
    best = best_saved(tmp_path / "best")
    keeper = snapshots.BestSnapshot(best.parent, "loss", "min")
    flip_a_bit(largest_file(best / "default"))
    with pytest.raises(errors.InvariantError, match=f"or remove {best.parent} and"):
        keeper.restore(tree())
    keeper.close()


def test_best_without_checksums_is_believed_where_it_can_be_read(tmp_path):
    best = best_saved(tmp_path / "best")
    (best / seals.NAME).unlink()
    assert int(best_restored(best.parent)["step"]) == 4
    shutil.rmtree(best / "default")
    with pytest.raises(errors.InvariantError, match=f"or remove {best.parent} and"):
        best_restored(best.parent)


def test_half_removed_earlier_best_is_in_nobodys_way(tmp_path):
    folder = tmp_path / "best"
    keeper = snapshots.BestSnapshot(folder, "loss", "min")
    keeper.offer(4, tree(4), {"loss": 0.5})
    shutil.copytree(folder / "4", tmp_path / "4")
    keeper.offer(8, tree(8), {"loss": 0.4})
    keeper.close()
    assert not (folder / "4").exists()
    (tmp_path / "4").rename(folder / "4")
    largest_file(folder / "4" / "default" / "d").unlink()
    assert int(best_restored(folder)["step"]) == 8


def test_best_is_on_disk_when_it_is_kept(tmp_path):
    keeper = snapshots.BestSnapshot(tmp_path / "best", "loss", "min")
    keeper.offer(4, tree(4), {"loss": 0.5})
    assert seals.is_sealed(tmp_path / "best" / "4")
    assert not seals.damage(tmp_path / "best" / "4")
    keeper.close()


def test_unknown_metric_is_refused(tmp_path):
    keeper = snapshots.BestSnapshot(tmp_path / "best", "lose", "min")
    with pytest.raises(errors.InputError, match="best_metric must be one of"):
        keeper.offer(1, tree(), {"loss": 1.0})
    assert keeper.restore(tree()) is None
    keeper.close()
