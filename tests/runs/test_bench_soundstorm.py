"""The benchmark's peer is of equal size and sees the past alone; timing by turns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.models.soundstorm import config as soundstorm_config
from musicrl_jax.models.soundstorm import network
from musicrl_jax.runs import bench_soundstorm, token_by_token

SIZES = soundstorm_config.SoundStormConfig(
    levels=4, coarse_levels=2, codebook_size=8, width=16, heads=2, layers=2
)


@pytest.mark.parametrize("layers", [3, 12])
def test_the_peer_has_as_many_parameters(layers):
    sizes = soundstorm_config.SoundStormConfig(layers=layers)
    parameters = token_by_token.count(network.abstract_params(sizes))
    peer = token_by_token.beside(sizes, parameters, 8)
    shapes = jax.eval_shape(peer.init, jax.random.key(0))
    assert token_by_token.count(shapes) == pytest.approx(parameters, rel=0.1)


def test_the_peer_draws_each_token_from_the_past_and_its_own_frame():
    peer = token_by_token.TokenByToken(sizes=SIZES, layers=1, window=4)
    params = jax.jit(peer.init)(jax.random.key(0))
    params = dict(params) | {"heads": 20 * params["heads"]}
    random = np.random.default_rng(0)
    coarse = jnp.asarray(random.integers(0, 8, (2, 10, 2)), jnp.int32)
    keys = jax.random.split(jax.random.key(1), 2)
    drawn = peer.refine(params, coarse, keys)
    np.testing.assert_array_equal(drawn[..., :2], coarse)
    other = peer.refine(params, coarse.at[:, 6, 0].add(1) % 8, keys)
    np.testing.assert_array_equal(drawn[:, :6], other[:, :6])
    assert (drawn[:, 6:, 2:] != other[:, 6:, 2:]).any()


def test_calls_take_turns_and_medians_are_given():
    order, now = [], iter(np.cumsum([0, 1, 0, 4, 0, 3, 0, 5, 0, 2, 0, 9]))
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    timed = bench_soundstorm.measure(calls, 3, lambda: float(next(now)), lambda: 0.0)
    assert "".join(order) == "abababab"
    assert timed["a"] == {"seconds": 2.0, "process_seconds": 0.0}
    assert timed["b"]["seconds"] == 5.0


@pytest.mark.slow
def test_both_are_run_and_described():
    config = bench_soundstorm.BenchSoundStormConfig(
        soundstorm=SIZES,
        decoding=soundstorm_config.DecodingConfig(iterations=(3, 1)),
        seconds=0.4,
        peer_window_seconds=0.2,
        repeats=1,
    )
    found = bench_soundstorm.run(config)
    assert found["soundstorm"]["passes"] == 4
    assert found["token_by_token"]["passes"] == 20
    assert found["times_faster"] > 0


def test_nothing_to_measure_is_refused():
    with pytest.raises(errors.InputError, match="of a frame or more"):
        bench_soundstorm.BenchSoundStormConfig(seconds=0.0)
