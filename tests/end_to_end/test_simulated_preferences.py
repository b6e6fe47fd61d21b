"""Simulated users choose between clips of tiny networks, then between models."""

import dataclasses
import json
import pathlib

import jax
import numpy as np
import pytest

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors
from musicrl_jax.data import captions, preferences
from musicrl_jax.evaluation import prompts, result_files
from musicrl_jax.runs import (
    population,
    pretrain_musiclm,
    simulated_preferences,
    system,
    trait_clips,
)
from musicrl_jax.synthesis import simulated_population, simulated_users

PAIRS = 6
USERS = simulated_population.PopulationConfig(users=12, groups=3, ceiling=0.7)


def config(networks, out, **fields):
    clips = trait_clips.TraitConfig(
        networks=str(networks), seconds=1.2, clips_per_call=4
    )
    settings = {"captions": PAIRS, "held_out_share": 0.5, "users": USERS}
    return simulated_preferences.SimulatedPreferencesConfig(
        **({"out": str(out), "clips": clips} | settings | fields)
    )


@pytest.fixture(scope="module")
def other(networks, tmp_path_factory):
    """Returns the weights of another model of the same size."""
    path = tmp_path_factory.mktemp("other") / "musiclm.safetensors"
    name, fields = weights.read_config(networks / "musiclm.safetensors")
    policy, _ = pretrain_musiclm.load(networks / "musiclm.safetensors")
    weights.save_weights(path, policy.init(jax.random.key(77)), name, fields)
    return path


@pytest.fixture(scope="module")
def collected(networks, tmp_path_factory):
    out = tmp_path_factory.mktemp("collected") / "set"
    told = []
    summary = simulated_preferences.run(
        config(networks, out), lambda *done: told.append(done)
    )
    assert told == [(4, PAIRS), (PAIRS, PAIRS)]
    return out, summary


def tastes(folder):
    lines = (folder / simulated_preferences.HIDDEN_TASTE).read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_set_is_whole_and_says_that_it_is_simulated(networks, collected):
    out, summary = collected
    found = preferences.read_preferences(out)
    assert found.facts.simulated
    assert found.facts.ceiling_accuracy == pytest.approx(0.7, abs=1e-4)
    assert summary["ceiling_of_personal_taste"] >= summary["ceiling_accuracy"]
    assert found.tokens.shape == (2 * PAIRS, 30, 5)
    assert [(pair.a, pair.b) for pair in found.pairs] == [
        (2 * place, 2 * place + 1) for place in range(PAIRS)
    ]
    assert {pair.source for pair in found.pairs} == {"simulated_population"}
    assert all(pair.user.startswith("simulated_") for pair in found.pairs)
    train = captions.CaptionFile(networks / system.TRAIN_CAPTIONS)
    of_training = {train[number] for number in range(len(train))}
    assert sum(pair.caption in of_training for pair in found.pairs) == PAIRS // 2
    # Two samples of one caption are two clips.
    assert (found.tokens[::2] != found.tokens[1::2]).any(axis=(1, 2)).all()


def test_hidden_taste_is_that_of_the_population_in_the_set(collected):
    out, summary = collected
    users = simulated_users.read_population(out / simulated_preferences.POPULATION)
    assert users.digest == summary["population"]
    assert users.seconds == 1.2
    rows = tastes(out)
    assert [row["clip"] for row in rows] == list(range(2 * PAIRS))
    traits = np.array([[row[name] for name in users.traits] for row in rows])
    np.testing.assert_allclose(
        users.taste(traits), [row["taste"] for row in rows], atol=1e-2
    )
    pairs = preferences.read_preferences(out).pairs
    assert all(pair.caption == rows[pair.a]["caption"] for pair in pairs)


def test_a_stopped_run_goes_on_to_the_same_set(networks, collected, tmp_path):
    out, _ = collected
    again = tmp_path / "set"
    work = tmp_path / "set.clips"
    work.mkdir()
    for name in ("settings.json", "pairs-00000.npz"):
        (work / name).write_bytes((out.with_name("set.clips") / name).read_bytes())
    (work / "pairs-00001.npz").write_bytes(b"cut off")
    simulated_preferences.run(config(networks, again))
    for file in sorted(out.iterdir()):
        assert (again / file.name).read_bytes() == file.read_bytes(), file.name
    with pytest.raises(errors.InputError, match="a folder of its own"):
        simulated_preferences.run(config(networks, again))
    for file in again.iterdir():
        file.unlink()
    with pytest.raises(errors.InputError, match="made from other captions, seed"):
        simulated_preferences.run(config(networks, again, seed=1))


def test_the_same_population_hears_clips_of_two_models(
    networks, collected, other, tmp_path
):
    out, summary = collected
    models = (str(networks / "musiclm.safetensors"), str(other))
    found = simulated_preferences.run(
        config(
            networks,
            tmp_path / "set",
            policies=models,
            population=str(out / simulated_preferences.POPULATION),
            votes=3,
        )
    )
    assert found["population"] == summary["population"]
    assert found["votes"] == 3 * PAIRS
    rows = tastes(tmp_path / "set")
    pairs = [{rows[i]["policy"], rows[i + 1]["policy"]} for i in range(0, 12, 2)]
    assert pairs == [set(models)] * PAIRS
    assert len({row["policy"] for row in rows[::2]}) == 2  # sides are drawn
    voted = preferences.read_preferences(tmp_path / "set").pairs
    users = [{pair.user for pair in voted if pair.a == 2 * i} for i in range(PAIRS)]
    assert [len(several) for several in users] == [3] * PAIRS
    file = str(out / simulated_preferences.POPULATION)
    many = config(networks, tmp_path / "many", population=file, votes=13)
    with pytest.raises(errors.InputError, match="among the 12 users"):
        simulated_preferences.run(many)
    assert not (tmp_path / "many").exists()


def test_population_judges_models(networks, collected, other, tmp_path, monkeypatch):
    out, summary = collected
    base = networks / "musiclm.safetensors"
    judge = population.PopulationJudgeConfig(
        policies=(f"base={base}", f"same={base}", f"other={other}"),
        population=str(out / simulated_preferences.POPULATION),
        out=str(tmp_path / "judged"),
        prompts=6,
        voters=3,
        clips=config(networks, out).clips,
    )
    result = population.run(judge)
    written = json.loads((tmp_path / "judged/population.json").read_text())
    assert written == json.loads(json.dumps(result))
    assert result["simulated"] is True
    assert result["population"] == summary["population"]
    met = {(pair["first"], pair["second"]): pair for pair in result["pairs"]}
    votes = result_files.read_votes(
        tmp_path / "judged" / "population.json", simulated=True
    )
    assert {(duel.a, duel.b) for duel in votes.comparisons} == set(met)
    assert set(met) == {("same", "base"), ("other", "base"), ("other", "same")}
    # The same model, prompts and keys: the same clips, so only noise decides.
    assert met["same", "base"]["taste_difference"] == 0
    assert met["same", "base"]["expected"] == pytest.approx(0.5)
    assert met["other", "base"]["taste_difference"] != 0
    for pair in met.values():
        assert pair["wins"] + pair["ties"] + pair["losses"] == 6
    lines = (tmp_path / "judged/clips.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["policy"] for row in rows[::6]] == ["base", "same", "other"]
    (named,) = [one for one in result["policies"] if one["name"] == "other"]
    mean = np.mean([row["taste"] for row in rows if row["policy"] == "other"])
    assert named["taste"] == pytest.approx(mean, abs=1e-4)

    def half(path, text, **_):
        path.write_bytes(text.encode()[: len(text) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(pathlib.Path, "write_text", half)
    with pytest.raises(KeyboardInterrupt):
        population.run(dataclasses.replace(judge, out=str(tmp_path / "stopped")))
    assert not (tmp_path / "stopped" / population.RESULT).exists()
    asked = {pair.caption for pair in preferences.read_preferences(out).pairs}
    held_out = prompts.read_prompts(networks / system.HELD_OUT_PROMPTS)
    new = [prompt.text for prompt in held_out if prompt.text not in asked]
    assert [row["prompt"] for row in rows[:6]] == new[:6]
    assert len(new) == len(held_out) - PAIRS // 2
    with pytest.raises(errors.InputError, match=f"has {len(new)} that are captions"):
        population.run(
            dataclasses.replace(judge, prompts=len(new) + 1, out=str(tmp_path / "more"))
        )


@pytest.mark.parametrize(
    ("voters", "seconds", "words"),
    [
        (13, 1.2, "among the 12 users; got 13"),
        (5, 2.0, r"clips of 1\.2 s.* got 2\. Pass --seconds 1\.2"),
    ],
)
def test_what_a_population_cannot_judge_is_refused_before_clips_are_made(
    networks, collected, tmp_path, voters, seconds, words
):
    out, _ = collected
    judge = population.PopulationJudgeConfig(
        policies=("base=none", "other=none"),  # files that would be missed next
        population=str(out / simulated_preferences.POPULATION),
        out=str(tmp_path / "judged"),
        voters=voters,
        clips=dataclasses.replace(config(networks, out).clips, seconds=seconds),
    )
    with pytest.raises(errors.InputError, match=words):
        population.run(judge)


def test_models_of_another_size_and_quality_unheard_are_refused(
    networks, collected, tmp_path
):
    out, _ = collected
    users = out / simulated_preferences.POPULATION
    name, fields = weights.read_config(networks / "musiclm.safetensors")
    fields["musiclm"]["layers"] = 2
    larger = pretrain_musiclm.make(fields)
    path = tmp_path / "larger.safetensors"
    zeros = jax.tree.map(
        lambda leaf: np.zeros(leaf.shape, np.float32), larger.abstract_params()
    )
    weights.save_weights(path, zeros, name, fields)
    both = (str(networks / "musiclm.safetensors"), str(path))
    with pytest.raises(errors.InputError, match="one size"):
        simulated_preferences.run(config(networks, tmp_path / "set", policies=both))
    with_quality = dataclasses.replace(
        config(networks, out).clips, quality_weights="quality.safetensors"
    )
    with pytest.raises(errors.InputError, match="The population judges by"):
        simulated_preferences.run(
            config(
                networks, tmp_path / "set", population=str(users), clips=with_quality
            )
        )


@pytest.mark.parametrize(
    "policies", [(), ("base=a",), ("base=a", "base=b"), ("a", "b"), ("=a", "b=c")]
)
def test_comparisons_need_two_named_models(policies):
    with pytest.raises(errors.InputError):
        population.PopulationJudgeConfig(policies=policies, population="p")


@pytest.mark.parametrize(
    "fields", [{"captions": 0}, {"votes": 13}, {"held_out_share": 1.5}, {"seed": -1}]
)
def test_bad_configs_are_refused(fields):
    with pytest.raises(errors.InputError, match="SimulatedPreferencesConfig"):
        config("networks", "out", **fields)
