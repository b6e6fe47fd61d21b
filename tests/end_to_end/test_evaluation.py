"""The evaluator as a whole, in this process, on tiny networks and no learner."""

import shutil

import jax
import numpy as np
import pytest
import soundfile

from musicrl_jax.acting import config as acting_config
from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors, writers
from musicrl_jax.evaluation import config as evaluation_config
from musicrl_jax.evaluation import history
from musicrl_jax.learning import config as learning_config
from musicrl_jax.learning import learner
from musicrl_jax.runs import evaluator, pretrain_musiclm, run_config, run_inputs
from musicrl_jax.transport import store as stores

PROMPTS = 4

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def other_policy(networks, tmp_path_factory):
    """Returns a weights file of the same network, moved at random."""
    path = networks / "musiclm.safetensors"
    policy, params = pretrain_musiclm.load(path)
    keys = jax.random.split(jax.random.key(9), len(jax.tree.leaves(params)))
    keys = jax.tree.unflatten(jax.tree.structure(params), list(keys))
    moved = jax.tree.map(
        lambda leaf, key: leaf + 0.3 * jax.random.normal(key, leaf.shape), params, keys
    )
    out = tmp_path_factory.mktemp("policy") / "musicrl_r.safetensors"
    fields = pretrain_musiclm.described(policy.config, policy.layout)
    weights.save_weights(out, moved, "musiclm", fields)
    return out


def config(networks, run_dir, reward=None, policy="", **fields):
    return run_config.RunConfig(
        run_dir=str(run_dir),
        networks=str(networks),
        policy=str(policy),
        clip_seconds=0.8,
        learner=learning_config.LearnerConfig(chunk_frames=10),
        actor=acting_config.ActorConfig(clips=2),
        evaluator=evaluation_config.EvaluatorConfig(
            prompts=PROMPTS, clips=2, keep_audio=2, **fields
        ),
        reward=reward or run_config.RewardConfig(),
    )


def measure_reference(made):
    """Runs the evaluator of a run that ends before it publishes anything."""
    store, _ = run_inputs.open_run(made)
    store.put_if_absent(learner.DONE_KEY, b'{"step": 0, "reason": "steps"}')
    evaluator.run(made)
    return store


@pytest.fixture(scope="module")
def measured(networks, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    reward = run_config.RewardConfig(text_adherence=0.0, loudness=1.0)
    made = config(networks, run_dir, reward, clips_per_prompt=2)
    return measure_reference(made), run_dir, made


def test_the_reference_is_measured_at_step_0(measured):
    store, run_dir, _ = measured
    (found,) = history.read(store)
    (row,) = writers.read_json_lines(run_dir / "metrics" / "evaluator.jsonl")
    assert row == {"step": 0, **found.row}
    assert row["step"] == row["kl/sequence"] == row["kl/token"] == 0.0
    assert all(isinstance(value, int | float) for value in row.values())
    for name in ("text_adherence", "loudness", "total"):
        scores = found.rewards[name]
        assert len(scores) == PROMPTS
        assert row[f"reward/{name}"] == pytest.approx(scores.mean(), rel=1e-5)
        assert row[f"reward/{name}/se"] == pytest.approx(
            scores.std(ddof=1) / 2, rel=1e-5
        )
    assert {"diversity", "tokens/repetition", "audio/level_dbfs"} <= row.keys()


def test_what_is_trained_and_what_is_held_out_is_written_down(measured):
    store, run_dir, _ = measured
    facts = history.read_facts(store, str(run_dir))
    assert facts.kl_ref == "base"
    assert facts.trained == {"loudness": 1.0}
    assert facts.held_out == ["text_adherence"]
    assert len(facts.captions) == 2


def test_clips_of_the_first_prompts_are_kept(measured):
    _, run_dir, _ = measured
    files = sorted((run_dir / "samples").glob("**/*.flac"))
    assert [path.name for path in files] == ["000.flac", "001.flac"]
    samples, rate = soundfile.read(files[0])
    assert len(samples) == pytest.approx(0.8 * rate, abs=rate / 25)


def test_the_measured_policy_can_stand_for_the_network(measured, networks):
    _, run_dir, _ = measured
    (path,) = (run_dir / "policies").iterdir()
    _, kept = pretrain_musiclm.load(path)
    _, given = pretrain_musiclm.load(networks / "musiclm.safetensors")
    jax.tree.map(np.testing.assert_array_equal, kept, given)


def test_what_was_measured_is_not_measured_again(measured):
    _, run_dir, made = measured
    path = run_dir / "metrics" / "evaluator.jsonl"
    before = path.read_text()
    evaluator.run(made)
    assert path.read_text() == before


def test_a_run_may_start_from_another_policy(networks, other_policy, tmp_path):
    made = config(networks, tmp_path / "run", policy=other_policy)
    store = measure_reference(made)
    (found,) = history.read(store)
    assert found.row["kl/sequence"] == 0.0
    data = store.get("policies/step_00000000.safetensors")
    path = tmp_path / "kept.safetensors"
    path.write_bytes(data or b"")
    jax.tree.map(
        np.testing.assert_array_equal,
        pretrain_musiclm.load(path)[1],
        pretrain_musiclm.load(other_policy)[1],
    )


def test_from_the_base_that_policy_is_far(networks, other_policy, tmp_path):
    made = config(networks, tmp_path / "run")
    language = evaluator.system.load_language(networks)
    bench = evaluator.make_evaluator(made, networks, language)
    _, params = pretrain_musiclm.load(other_policy)
    assert bench.measure(params).row["kl/sequence"] > 0.1
    assert bench.measure(language.params).row["kl/sequence"] == 0.0


def test_the_policy_is_pinned_by_content(networks, other_policy, tmp_path):
    made = config(networks, tmp_path / "run", policy=other_policy)
    run_inputs.open_run(made)
    copy = tmp_path / "copy.safetensors"
    shutil.copy(other_policy, copy)
    run_inputs.open_run(config(networks, tmp_path / "run", policy=copy))
    with pytest.raises(errors.ConfigMismatchError, match=r"musiclm\.safetensors"):
        run_inputs.open_run(config(networks, tmp_path / "run"))


def test_a_stop_needs_a_reward_that_is_held_out(networks, tmp_path):
    made = config(networks, tmp_path / "run", stop_on_over_optimisation=True)
    store = stores.open_store(str(tmp_path / "run"))
    store.put_if_absent(learner.DONE_KEY, b"{}")
    with pytest.raises(errors.InputError, match="all of text_adherence are trained"):
        evaluator.run(made)
