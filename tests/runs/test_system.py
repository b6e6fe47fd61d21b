"""The quality score as part of a run's reward: from a weights file, rescaled, named."""

import dataclasses

import jax
import numpy as np
import pytest

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors
from musicrl_jax.models.quality import config as quality_config
from musicrl_jax.models.quality import network
from musicrl_jax.rewards import combine
from musicrl_jax.runs import run_config, system

SIZES = quality_config.QualityConfig(
    fft_size=512, num_mels=16, channels=(4,), width=8, blocks=1, min_seconds=0.25
)


@pytest.mark.parametrize(
    ("simulated", "name"), [(True, "simulated_quality"), (False, "quality")]
)
def test_quality_is_rescaled_and_says_whether_it_is_simulated(
    tmp_path, simulated, name
):
    sizes = dataclasses.replace(SIZES, simulated_raters=simulated)
    params = jax.jit(lambda key: network.init_params(sizes, key))(jax.random.key(0))
    path = tmp_path / "quality.safetensors"
    weights.save_weights(path, params, "quality", dataclasses.asdict(sizes))
    config = run_config.RewardConfig(quality=0.5, quality_weights=str(path))
    part = system.quality_part(config, 16_000)
    clips = np.random.default_rng(0).normal(0, 0.1, (2, 9_000)).astype(np.float32)
    reward = combine.LinearReward([part])
    scores = reward(["a", "b"], clips, np.zeros((2, 1, 1), np.int32))
    assert set(scores) == {name, "total"}
    raw = scores[name]
    assert ((raw > 1) & (raw < 5)).all()
    np.testing.assert_allclose(scores["total"], 0.5 * (raw - 1) / 4, rtol=1e-5)
    with pytest.raises(errors.InputError, match="the codec's 24000 Hz"):
        system.quality_part(config, 24_000)


def test_rewards_need_a_weight_and_quality_an_estimator():
    with pytest.raises(errors.InputError, match="At least one reward"):
        run_config.RewardConfig(text_adherence=0.0)
    with pytest.raises(errors.InputError, match="quality_weights"):
        run_config.RewardConfig(quality=1.0)
