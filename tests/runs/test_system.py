"""The quality score as part of a run's reward: from a weights file, rescaled, named."""

import dataclasses

import jax
import numpy as np
import pytest

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import dealing, errors
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.models.musiclm import config as musiclm_config
from musicrl_jax.models.preference import adapter
from musicrl_jax.models.preference import config as preference_config
from musicrl_jax.models.quality import config as quality_config
from musicrl_jax.models.quality import network
from musicrl_jax.rewards import combine
from musicrl_jax.runs import network_files, pretrain_preference, run_config, system

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
    part = system.quality_part(path, 0.5, 16_000)
    clips = np.random.default_rng(0).normal(0, 0.1, (2, 9_000)).astype(np.float32)
    reward = combine.LinearReward([part])
    scores = reward(["a", "b"], clips, np.zeros((2, 1, 1), np.int32))
    assert set(scores) == {name, "total"}
    raw = scores[name]
    assert ((raw > 1) & (raw < 5)).all()
    np.testing.assert_allclose(scores["total"], 0.5 * (raw - 1) / 4, rtol=1e-5)
    with pytest.raises(errors.InputError, match="the codec's 24000 Hz"):
        system.quality_part(path, 0.5, 24_000)


def tiny_language(dtype="float32"):
    layout = musiclm_config.make_layout(semantic_size=16, coarse_size=16)
    sizes = musiclm_config.MusicLMConfig(
        width=16, heads=2, layers=1, depth_width=8, depth_heads=2, dtype=dtype
    )
    policy = musiclm.make_policy(sizes, layout)
    value = musiclm.make_value(sizes, layout)
    params = jax.jit(policy.init)(jax.random.key(0))
    return system.Language(policy=policy, value=value, params=params)


@pytest.mark.parametrize("clips", [4, 3])
def test_an_actors_devices_share_its_clips_and_change_none(clips):
    language = tiny_language()
    sample = system.Sampler(policy=language.policy, num_frames=6, temperature=0.99)
    conditioning = np.zeros((clips, 12), np.int32)
    keys = jax.random.split(jax.random.key(1), clips)
    alone = sample(language.params, conditioning, keys)
    shared = sample(system.acting(language).params, conditioning, keys)
    np.testing.assert_array_equal(shared.tokens, alone.tokens)
    np.testing.assert_allclose(shared.log_probs, alone.log_probs, atol=1e-5)
    assert len(alone.tokens.sharding.device_set) == 1
    assert len(shared.tokens.sharding.device_set) == jax.local_device_count() > 1
    whole = shared.tokens.sharding.is_fully_replicated
    assert whole == (clips % jax.local_device_count() != 0)


def test_an_actor_holds_its_policy_in_the_dtype_it_computes_in():
    held = system.acting(tiny_language("bfloat16")).params
    assert {leaf.dtype.name for leaf in jax.tree.leaves(held)} == {"bfloat16"}


def test_rewards_on_all_devices_score_as_on_one(tmp_path):
    params = jax.jit(lambda key: network.init_params(SIZES, key))(jax.random.key(0))
    path = tmp_path / "quality.safetensors"
    weights.save_weights(path, params, "quality", dataclasses.asdict(SIZES))
    clips = np.random.default_rng(0).normal(0, 0.1, (5, 9_000)).astype(np.float32)
    one, all_of_them = (
        system.quality_part(path, 1.0, 16_000, place).reward(["a"] * 5, clips)["total"]
        for place in (lambda tree: tree, dealing.everywhere)
    )
    np.testing.assert_allclose(all_of_them, one, rtol=1e-5)


def test_rewards_need_a_weight_and_a_network(tmp_path):
    with pytest.raises(errors.InputError, match="At least one reward"):
        run_config.RewardConfig(text_adherence=0.0)
    for name, file in (
        ("quality", network_files.quality),
        ("preference", network_files.preference),
    ):
        with pytest.raises(errors.InputError, match=f"{name}_weights"):
            file(run_config.RewardConfig(**{name: 1.0}), tmp_path)
        assert file(run_config.RewardConfig(), tmp_path) is None
        own = run_config.RewardConfig(**{f"{name}_weights": "own"})
        (tmp_path / f"{name}.safetensors").touch()
        assert file(run_config.RewardConfig(), tmp_path).parent == tmp_path
        assert str(file(own, tmp_path)) == "own"


@pytest.mark.parametrize("watch", [False, True])
def test_rewards_of_weight_0_are_made_for_the_evaluator_alone(tmp_path, watch):
    trunk = musiclm_config.MusicLMConfig(
        width=8, heads=2, layers=1, depth_width=8, depth_heads=2
    )
    model = adapter.make_model(
        preference_config.PreferenceConfig(hidden=2, simulated_users=True),
        trunk,
        musiclm_config.make_layout(),
    )
    params = jax.tree.map(
        lambda leaf: np.ones(leaf.shape, np.float32), model.abstract_params()
    )
    path = tmp_path / "preference.safetensors"
    described = pretrain_preference.described(model)
    weights.save_weights(path, params, "preference", described)
    files = {"preference_weights": str(path)}
    trained = run_config.RewardConfig(text_adherence=0.0, preference=2.0, **files)
    watched = run_config.RewardConfig(text_adherence=1.0, **files)
    # The starter's quality estimator lies beside its networks.
    quality = ("simulated_quality", 0.0)
    expected = [("text_adherence", 0.0), quality] if watch else []
    expected = [*expected, ("simulated_user_preference", 2.0)]
    assert parts_of(trained, watch=watch) == expected
    expected = [quality, ("simulated_user_preference", 0.0)] if watch else []
    assert parts_of(watched, watch=watch) == [("text_adherence", 1.0), *expected]


def parts_of(config, *, watch):
    """Returns names and weights, without a call of any network."""
    networks = system.networks_directory()
    sound = system.Sound(networks, system.load_language(networks).policy)
    reward = system.make_reward(config, sound, watch=watch)
    return list(reward.weights.items())
