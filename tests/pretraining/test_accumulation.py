"""O9 for supervised training: a batch whole, in parts, and over devices is the same."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.models.mulan import objective as mulan_objective
from musicrl_jax.pretraining import accumulation
from tests.pretraining import linear

QUIET = linear.LinearObjective(noise=0.0)


def found(parts, objective=QUIET, size=8):
    params, statistics = objective.init(jax.random.key(1))
    batch = jax.tree.map(jnp.asarray, linear.RandomBatches(size=size).batch(0))
    return (
        params,
        batch,
        accumulation.gradient_of(
            objective.loss, params, statistics, batch, jax.random.key(2), parts
        ),
    )


@pytest.mark.parametrize("parts", [1, 2, 4, 8])
def test_gradient_is_the_closed_form_in_any_number_of_parts(parts):
    params, batch, result = found(parts)
    x, y, weight = (
        np.asarray(a, np.float64) for a in (*batch.values(), *params.values())
    )
    error = x @ weight - y
    expected = 2 * x.T @ error / error.size
    scale = np.abs(expected).max()
    np.testing.assert_allclose(
        result.gradients["weight"] / scale, expected / scale, atol=1e-5
    )
    assert float(result.loss) == pytest.approx(np.square(error).mean(), rel=1e-5)
    assert float(result.metrics["loss/error"]) == pytest.approx(
        np.square(error).mean(), rel=1e-5
    )


def test_statistics_pass_from_part_to_part_in_order():
    _, batch, result = found(4)
    mean = np.zeros(linear.WIDTH)
    for part in range(4):
        mean = 0.9 * mean + 0.1 * np.asarray(batch["x"])[part::4].mean(0)
    np.testing.assert_allclose(result.statistics["mean"], mean, rtol=1e-5)


def test_parts_have_their_own_noise():
    noisy = linear.LinearObjective(noise=1.0)
    same = {"x": jnp.zeros((2, linear.WIDTH)), "y": jnp.zeros((2, linear.WIDTH))}
    params, statistics = noisy.init(jax.random.key(1))
    key = jax.random.key(3)
    result = accumulation.gradient_of(noisy.loss, params, statistics, same, key, 2)
    alone = [
        float(noisy.loss(params, statistics, same, part)[0])
        for part in jax.random.split(key)
    ]
    assert abs(alone[0] - alone[1]) > 1e-3
    assert float(result.loss) == pytest.approx(np.mean(alone), rel=1e-5)


@pytest.mark.parametrize(
    ("parts", "mesh"),
    [(4, {}), (1, {"data": 4}), (2, {"data": 4}), (2, {"data": 2, "fsdp": 2})],
)
def test_training_is_the_same_in_parts_and_over_devices(parts, mesh):
    if jax.device_count() < np.prod(list(mesh.values())):
        pytest.skip("needs as many devices")
    settings = linear.config()
    whole, scalars = linear.advance(linear.make_step(QUIET, settings), 4)
    other = dataclasses.replace(settings, accumulate=parts)
    state, rows = linear.advance(linear.make_step(QUIET, other, **mesh), 4)
    for name in ("params", "averaged", "optimizer"):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
            getattr(whole, name),
            getattr(state, name),
        )
    for name in ("loss", "gradient/norm"):
        assert float(rows[name]) == pytest.approx(float(scalars[name]), rel=1e-5)


def test_one_bad_part_leaves_the_step_out():
    settings = linear.config(accumulate=4)
    run = linear.make_step(QUIET, settings)
    before, _ = linear.advance(run, 2)
    after, _ = linear.advance(run, 3, linear.RandomBatches(broken_at=2))
    assert int(after.skipped) == 1
    np.testing.assert_array_equal(before.params["weight"], after.params["weight"])
    np.testing.assert_array_equal(before.statistics["mean"], after.statistics["mean"])


def test_batch_that_does_not_divide_is_refused():
    with pytest.raises(errors.InputError, match="divide into 3 parts"):
        found(3)


@dataclasses.dataclass(frozen=True)
class Contrastive(linear.LinearObjective):
    couples_examples: bool = True


def test_objective_that_couples_examples_refuses_parts():
    linear.make_step(Contrastive(), linear.config())
    linear.make_step(Contrastive(couples_examples=False), linear.config(accumulate=2))
    with pytest.raises(errors.InputError, match="Contrastive compares the examples"):
        linear.make_step(Contrastive(), linear.config(accumulate=2))


def test_mulan_couples_examples():
    assert mulan_objective.MulanObjective.couples_examples.fget(None)
