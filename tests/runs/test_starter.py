"""The starter's chain: its order, its settings, its assets."""

import dataclasses
import json

import numpy as np
import pytest

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors, writers
from musicrl_jax.data import captions, manifest, text
from musicrl_jax.evaluation import prompts
from musicrl_jax.runs import model_card, stages, starter, starter_assets, system


@pytest.fixture
def no_clips(monkeypatch):
    """Leaves reference clips out: they need a trained codec and rendered audio."""
    monkeypatch.setattr(starter_assets.reconstruction, "load", lambda _: None)
    monkeypatch.setattr(starter_assets.references, "write", lambda *_, **__: None)


def test_stages_come_in_the_order_of_their_needs(tmp_path):
    chain = starter.chain(starter.StarterConfig(run_dir=str(tmp_path)))
    assert [stage.name for stage in chain] == [
        "corpus",
        "coarse",
        "codec",
        "soundstream",
        "soundstorm",
        "semantic",
        "more",
        "mulan",
        "tokens",
        "musiclm",
        "attributes",
        "recordings",
        "ratings",
        "quality",
    ]
    outputs = [stage.output for stage in chain]
    assert len(set(outputs)) == len(outputs)
    assert all(tmp_path in output.parents for output in outputs)
    trained = {
        stage.output.stem for stage in chain if stage.output.parent.name == "networks"
    }
    assert trained == {"coarse", *starter_assets.NETWORKS}


def test_settings_are_json_and_do_not_know_where_things_lie(tmp_path):
    here = starter.chain(
        starter.StarterConfig(run_dir=str(tmp_path / "here"), workers=1)
    )
    there = starter.chain(starter.StarterConfig(run_dir=str(tmp_path / "there")))
    texts = [[json.dumps(stage.settings) for stage in chain] for chain in (here, there)]
    assert texts[0] == texts[1]
    assert str(tmp_path) not in "".join(texts[0])


def test_steps_and_seed_reach_each_network():
    plain = {x.name: x.settings for x in starter.chain(starter.StarterConfig())}
    other = {
        x.name: x.settings
        for x in starter.chain(
            starter.StarterConfig(seed=5, mulan_steps=17, tuning_steps=3)
        )
    }
    assert other["mulan"]["pretrain"]["steps"] == 17
    assert plain["mulan"]["pretrain"]["steps"] > 17
    assert other["semantic"]["bags"]["steps"] == 3
    assert plain["semantic"]["bags"]["steps"] > 3
    for name in starter_assets.NETWORKS:
        before, after = plain[name]["pretrain"], other[name]["pretrain"]
        assert after["seed"] == before["seed"] + 5
        if name != "mulan":
            assert after["steps"] == before["steps"]
    assert other["corpus"]["seed"] == 5
    assert other["more"]["seed"] == 6
    assert other["recordings"]["seed"] == 16


def test_negative_steps_are_refused():
    with pytest.raises(errors.InputError, match="codec_steps must not be negative"):
        starter.StarterConfig(codec_steps=-1)


def test_a_finished_chain_only_writes_the_assets(tmp_path, monkeypatch, no_clips):
    config = starter.StarterConfig(
        run_dir=str(tmp_path / "run"), assets=str(tmp_path / "assets")
    )
    sources = _sources(tmp_path / "run")
    calls = []
    short = tuple(
        dataclasses.replace(stage, run=lambda name=stage.name: calls.append(name))
        for stage in starter.chain(config)
    )
    for stage in short:
        if not stage.output.exists():
            stage.output.parent.mkdir(parents=True, exist_ok=True)
            stage.output.write_text("made", encoding="utf-8")
    stages.run_chain(short, tmp_path / "run" / "stages")
    calls.clear()
    monkeypatch.setattr(starter, "chain", lambda *_: short)
    assert starter.run(config) == tmp_path / "assets"
    assert calls == []
    for name in starter_assets.NETWORKS:
        copied = weights.read_leaves(tmp_path / "assets" / f"{name}.safetensors")
        trained = weights.read_leaves(sources.networks / f"{name}.safetensors")
        assert copied.keys() == trained.keys()
        for leaf, values in trained.items():
            np.testing.assert_allclose(copied[leaf], values, atol=0.005)


def test_assets_hold_training_captions_and_held_out_prompts(tmp_path, no_clips):
    sources = _sources(tmp_path)
    assets = starter_assets.write(sources, tmp_path / "assets", seed=0)
    rows = manifest.read_manifest(sources.manifest).rows
    training = captions.CaptionFile(assets / system.TRAIN_CAPTIONS)
    texts = [training[i] for i in range(len(training))]
    assert len(texts) == len(set(texts))
    assert set(texts) == {t for r in rows if r.split == "train" for t in r.captions}
    judged = prompts.read_prompts(assets / system.HELD_OUT_PROMPTS)
    assert not {prompt.text for prompt in judged} & set(texts)
    assert {prompt.origin for prompt in judged} == {"held_out", "held_out_combination"}


def test_no_prompt_of_the_shipped_starter_is_a_caption_of_its_training():
    shipped = system.networks_directory("")
    training = captions.CaptionFile(shipped / system.TRAIN_CAPTIONS)
    known = {tuple(text.words_of(training[i])) for i in range(len(training))}
    judged = prompts.read_prompts(shipped / system.HELD_OUT_PROMPTS)
    assert not [one for one in judged if tuple(text.words_of(one.text)) in known]


def test_the_card_says_what_was_measured(tmp_path, no_clips):
    sources = _sources(tmp_path)
    assets = starter_assets.write(sources, tmp_path / "assets", seed=0)
    card = (assets / model_card.NAME).read_text(encoding="utf-8")
    assert "| codec | waveform to residual codes and back | 12 |" in card
    assert "| held_out/mel_l1 | 0.4567 |" in card
    assert "0.9999" not in card, "an earlier figure is replaced by a later one"
    assert "| window/audio_to_text/recall_1 | 0.75 |" in card
    assert "Genres: polka, tango." in card
    assert "6 clips" in card
    assert "CC0-1.0" in card


def test_a_missing_network_is_named(tmp_path):
    sources = _sources(tmp_path)
    (sources.networks / "musiclm.safetensors").unlink()
    with pytest.raises(errors.InputError, match="missing: musiclm"):
        starter_assets.write(sources, tmp_path / "assets", seed=0)


def _sources(run_dir) -> starter_assets.Sources:
    networks = run_dir / "networks"
    for name in starter_assets.NETWORKS:
        path = networks / f"{name}.safetensors"
        weights.save_weights(path, {"leaf": np.ones((3, 4))}, name, {})
    log = writers.JsonLinesWriter(run_dir / "codec" / "metrics.jsonl")
    log.write(10, {"held_out/mel_l1": 0.9999, "loss": 3.0})
    log.write(20, {"held_out/mel_l1": 0.4567, "loss": 2.0})
    figures = {"window/audio_to_text/recall_1": 0.75}
    (networks / "mulan.json").write_text(json.dumps(figures), encoding="utf-8")
    rows = [
        manifest.ClipRow(
            path=f"{number}.flac",
            duration_seconds=30.0,
            sample_rate_hz=16_000,
            captions=(f"a tango, take {number}", f"accordion {number}", "a dance")[
                : 3 if split == "train" else 2
            ],
            attributes={"genre": "tango" if number % 2 else "polka"},
            split=split,
            licence="CC0-1.0",
        )
        for number, split in enumerate(
            ["train"] * 3 + ["held_out"] * 2 + ["held_out_combination"]
        )
    ]
    path = run_dir / "corpus" / "manifest.jsonl"
    manifest.write_manifest(path, rows)
    return starter_assets.Sources(manifest=path, networks=networks, runs=run_dir)
