"""bfloat16 is for the loss alone: what a run keeps stays float32."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.pretraining import linear

SEEN = {}


@dataclasses.dataclass(frozen=True)
class Watched(linear.LinearObjective):
    """Notes the dtypes that its loss is given, while it is traced."""

    def loss(self, params, statistics, batch, key):
        SEEN.update(weight=params["weight"].dtype, mean=statistics["mean"].dtype)
        return super().loss(params, statistics, batch, key)


@pytest.mark.parametrize("parts", [1, 2])
def test_masters_optimizer_averages_and_statistics_stay_float32(parts):
    settings = linear.config(compute_dtype="bfloat16", accumulate=parts)
    state, scalars = linear.advance(linear.make_step(Watched(), settings), 3)
    floats = [x for x in jax.tree.leaves(state) if jnp.issubdtype(x.dtype, jnp.inexact)]
    assert len(floats) == 5  # weight, its average and two moments; the mean
    assert {x.dtype for x in floats} == {np.dtype("float32")}
    assert (SEEN["weight"], SEEN["mean"]) == (jnp.bfloat16, jnp.float32)
    assert scalars["loss"].dtype == np.float32


def test_loss_stays_close_to_float32s():
    losses, weights = [], []
    for dtype in ("float32", "bfloat16"):
        settings = linear.config(compute_dtype=dtype, steps=200, warmup_steps=10)
        run = linear.make_step(linear.LinearObjective(noise=0.0), settings)
        first = float(linear.advance(run, 1)[1]["loss"])
        state, scalars = linear.advance(run, 60)
        losses.append((first, float(scalars["loss"])))
        weights.append(state.params["weight"])
    (first, last), (first_half, last_half) = losses
    assert first_half == pytest.approx(first, rel=0.01)
    assert last_half < 0.05 * first
    assert abs(last_half - last) < 0.005 * first
    np.testing.assert_allclose(weights[0], weights[1], atol=0.1)
    assert not np.array_equal(weights[0], weights[1])
