"""What an evaluator leaves: which policies stay, and when the learner is told."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from musicrl_jax.core import writers
from musicrl_jax.evaluation import evaluator, history
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.models.musiclm import config as musiclm_config
from musicrl_jax.runs import evaluation_records, pretrain_musiclm
from musicrl_jax.transport import keys
from musicrl_jax.transport import store as stores

SIZES = musiclm_config.MusicLMConfig(
    width=16, heads=2, layers=1, depth_width=16, depth_heads=2, window_frames=8,
    conditioning_tokens=2, conditioning_size=8,
)  # fmt: skip
LAYOUT = musiclm_config.make_layout(semantic_size=8, coarse_size=8, coarse_levels=2)
POLICY = musiclm.make_policy(SIZES, LAYOUT)
PROMPTS = 16


@pytest.fixture(scope="module")
def params():
    return POLICY.init(jax.random.key(0))


def make(folder, keep):
    return evaluation_records.EvaluationRecords(
        store=stores.open_store(str(folder)),
        metrics=writers.MemoryWriter(),
        policy=POLICY,
        facts=evaluation_records.make_facts(
            kl_ref="base",
            reward_weights={"loudness": 1.0, "quality": 0.0},
            captions=("one",),
            sample_rate_hz=16_000,
            smoothing=1,
        ),
        kl_budget=10.0,
        keep_policies=keep,
        known={},
    )


def measurement(step, quality, kl):
    noise = 0.01 * np.random.default_rng(step).normal(size=PROMPTS)
    rewards = {"loudness": step + noise, "quality": quality + noise[::-1]}
    rewards["total"] = rewards["loudness"]
    row = {f"reward/{name}": float(x.mean()) for name, x in rewards.items()}
    return evaluator.Measurement(
        row=row | {"kl/sequence": kl},
        rewards=rewards,
        waveforms=np.zeros((1, 800), np.float32),
    )


def add(records, params, curve):
    for step, (quality, kl) in enumerate(curve):
        records.add(step, "digest", params, measurement(step, quality, kl))


def kept(records):
    names = records.store.list(keys.POLICIES)
    return [int(name.removesuffix(".safetensors")[-8:]) for name in names]


def test_the_newest_and_the_best_within_the_budget_are_kept(tmp_path, params):
    records = make(tmp_path, keep=3)
    curve = [(3.0, 0.0), (3.1, 2.0), (3.2, 4.0), (3.3, 6.0), (3.4, 30.0), (3.5, 40.0)]
    add(records, params, curve)
    # 4 and 5 are beyond the budget of 10 nats; 5 is the newest.
    assert kept(records) == [2, 3, 5]
    _, found = pretrain_musiclm.load(tmp_path / keys.policy_key(3))
    jax.tree.map(np.testing.assert_array_equal, found, params)


def test_the_best_by_the_total_is_kept_beside_the_best_by_held_out(tmp_path, params):
    """The total rises with the step, and quality is best at the start."""
    records = make(tmp_path, keep=4)
    curve = [(5.0, 0.0), (4.9, 1.0), (4.8, 2.0), (4.0, 3.0), (4.1, 30.0), (4.0, 40.0)]
    for step, (quality, kl) in enumerate(curve):
        found = measurement(step, quality, kl)
        # With scores of single prompts a fall would be seen, and end the choice.
        records.add(step, "", params, dataclasses.replace(found, rewards={}))
    # 5 is the newest; within the budget 0 and 1 have the best quality, 3 the best
    # total.
    assert kept(records) == [0, 1, 3, 5]


def test_all_are_kept_where_none_should_go(tmp_path, params):
    records = make(tmp_path, keep=0)
    add(records, params, [(3.0, 0.0)] * 4)
    assert kept(records) == [0, 1, 2, 3]
    assert len(records.store.list(keys.SAMPLES)) == 4
    assert [step for step, _ in records.metrics.rows] == [0, 1, 2, 3]


def test_a_fall_is_made_known_once_when_it_is_seen(tmp_path, params):
    records = make(tmp_path, keep=1)
    add(records, params, [(3.0, 0.0), (3.5, 1.0), (3.6, 2.0)])
    assert records.store.get(keys.OVER_OPTIMISATION) is None
    records.add(3, "", params, measurement(3, 3.0, 3.0))
    flag = json.loads(records.store.get(keys.OVER_OPTIMISATION) or b"")
    assert (flag["name"], flag["step"], flag["seen_at"]) == ("quality", 2, 3)
    records.add(4, "", params, measurement(4, 2.0, 4.0))
    assert json.loads(records.store.get(keys.OVER_OPTIMISATION) or b"") == flag


def test_an_evaluation_survives_its_file(tmp_path, params):
    records = make(tmp_path, keep=1)
    records.add(7, "abc", params, measurement(7, 3.0, 1.0))
    records.add(7, "def", params, measurement(7, 4.0, 1.0))
    (found,) = history.read(records.store)
    assert (found.step, found.digest) == (7, "def")
    assert dict(found.row) == dict(measurement(7, 4.0, 1.0).row)
    np.testing.assert_array_equal(
        found.rewards["quality"], measurement(7, 4.0, 1.0).rewards["quality"]
    )
