"""The preference model's run: from a set to a weights file and labelled figures."""

import dataclasses
import json

import numpy as np
import pytest

from musicrl_jax.core import errors, writers
from musicrl_jax.data import preference_choices
from musicrl_jax.pretraining import loop
from musicrl_jax.rewards import preference
from musicrl_jax.runs import preference_pairs, pretrain_musiclm, pretrain_preference
from tests.runs import preference_data


@pytest.fixture(autouse=True)
def quick_captions(monkeypatch):
    """Stands in for MuLan, which takes long to compile."""

    def codes(path, captions):
        assert path.is_file()
        return np.array([[len(text)] * 12 for text in captions], np.int32)

    monkeypatch.setattr(preference_pairs, "caption_codes", codes)


def test_a_simulated_set_is_learnt_and_called_so_everywhere(tmp_path):
    config = preference_data.settings(tmp_path)
    figures = pretrain_preference.run(config)
    assert all(name.startswith("simulated/held_out/") for name in figures)
    assert figures["simulated/held_out/accuracy"] > 0.9
    share = 2 * figures["simulated/held_out/accuracy"] - 1
    assert figures["simulated/held_out/share_of_ceiling"] == pytest.approx(share)
    rows = writers.read_json_lines(tmp_path / "run" / "metrics.jsonl")
    assert {row["simulated"] for row in rows} == {1.0}
    best = min(row.get("simulated/held_out/nll", np.inf) for row in rows)
    assert best == pytest.approx(figures["simulated/held_out/nll"], rel=1e-4)
    record = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert record["simulated"] is True
    assert record["pairs"]["left_out/tie"] == 1
    held_out = record["pairs"]["held_out"]
    assert held_out + record["pairs"]["train"] == preference_data.PAIRS
    bins = record["simulated/held_out/by_margin"]
    assert sum(one["pairs"] for one in bins) == held_out
    model, _ = pretrain_preference.load(tmp_path / "run.safetensors")
    assert model.simulated
    assert not config.preference.simulated_users


def test_the_reward_scores_clips_as_the_reported_figures_do(tmp_path):
    config = preference_data.settings(tmp_path)
    figures = pretrain_preference.run(config)
    model, params = pretrain_preference.load(tmp_path / "run.safetensors")
    assert model.clip_seconds == preference_data.FRAMES / model.frame_rate_hz
    pairs = preference_pairs.read(
        config.preferences, config.selection, tmp_path / "networks", model.layout
    )
    reward = preference.PreferenceReward(
        model=model,
        params=params,
        condition=lambda texts: np.stack([pairs.conditioning[text] for text in texts]),
    )
    asked = pairs.selection.held_out
    margin = np.subtract(*(
        reward(asked.captions, None, pairs.tokens[rows].astype(np.int32))["total"]
        for rows in (asked.preferred, asked.other)
    ))  # fmt: skip
    nats = np.mean(np.log1p(np.exp(-margin)))
    assert nats == pytest.approx(figures["simulated/held_out/nll"], rel=1e-4)


@pytest.mark.slow
def test_people_are_not_called_simulated_and_the_trunk_begins_as_musiclm(tmp_path):
    settings = preference_data.settings(tmp_path, simulated=False)
    still = dataclasses.replace(settings.pretrain, steps=1, learning_rate=1e-30)
    figures = pretrain_preference.run(dataclasses.replace(settings, pretrain=still))
    assert all(name.startswith("held_out/") for name in figures)
    model, params = pretrain_preference.load(tmp_path / "run.safetensors")
    assert not model.simulated
    _, policy = pretrain_musiclm.load(tmp_path / "networks" / "musiclm.safetensors")
    table = ("temporal", "frames", "table")
    for name in table:
        params, policy = params[name], policy[name]
    np.testing.assert_allclose(params, policy, atol=1e-6)
    scratch = dataclasses.replace(
        settings,
        pretrain=still,
        from_scratch=True,
        run_dir=str(tmp_path / "scratch"),
        out=str(tmp_path / "scratch.safetensors"),
    )
    pretrain_preference.run(scratch)
    _, params = pretrain_preference.load(tmp_path / "scratch.safetensors")
    for name in table:
        params = params[name]
    assert np.abs(np.asarray(params) - policy).max() > 0.1


@pytest.mark.slow
def test_stopped_run_goes_on_to_the_same_weights_file(tmp_path):
    pretrain_preference.run(preference_data.settings(tmp_path, name="whole"))
    asked = iter([False] * 17 + [True])
    stopped = preference_data.settings(tmp_path, name="stopped")
    with pytest.raises(errors.Preempted):
        pretrain_preference.run(stopped, loop.Hooks(stop=lambda: next(asked)))
    pretrain_preference.run(stopped)
    whole, resumed = (tmp_path / f"{name}.safetensors" for name in ("whole", "stopped"))
    assert whole.read_bytes() == resumed.read_bytes()


def test_what_cannot_be_trained_on_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match="Set crop_seconds lower"):
        pretrain_preference.run(preference_data.settings(tmp_path, crop_seconds=9.0))
    nobody = preference_choices.SelectionConfig(groups=("nobody",))
    with pytest.raises(errors.InputError, match="leave 0 and 0"):
        pretrain_preference.run(preference_data.settings(tmp_path, selection=nobody))
    with pytest.raises(errors.InputError, match="crop_seconds"):
        preference_data.settings(tmp_path, crop_seconds=-1.0)
    with pytest.raises(errors.InputError, match="crop_seconds"):
        preference_data.settings(tmp_path, crop_seconds=float("nan"))
    facts = tmp_path / "set" / "preferences.json"
    text = facts.read_text("utf-8").replace("25.0", "50.0")
    facts.write_text(text, "utf-8")
    with pytest.raises(errors.InputError, match="it has 5 and 50"):
        pretrain_preference.run(preference_data.settings(tmp_path))
