"""Rewards of a user's own, from a file in the current folder."""

import dataclasses
import sys

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.runs import own_rewards, run_config, run_config_gin, system

SOURCE = """\
import numpy as np


class Quiet:
    def __call__(self, captions, waveform, tokens):
        level = np.sqrt(np.mean(np.square(waveform), axis=1))
        return {"total": -level.astype(np.float32)}


class Greedy:
    def __init__(self, size):
        self.size = size


class Mute:
    pass


class Deaf:
    def __call__(self, captions):
        return {}


quiet = Quiet()
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module of rewards into the current folder; returns its file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_rewards", raising=False)
    path = tmp_path / "my_rewards.py"
    path.write_text(SOURCE)
    yield path
    sys.modules.pop("my_rewards", None)


def test_a_reward_is_named_with_its_weight():
    found = own_rewards.parse("a.b:Quiet=0.5")
    assert dataclasses.astuple(found) == ("a.b", "Quiet", 0.5)
    assert own_rewards.parse("a:Quiet").weight == 1.0
    with pytest.raises(errors.InputError, match="At least one reward"):
        run_config.RewardConfig(text_adherence=0.0, extra=("a:Quiet=0",))
    run_config.RewardConfig(text_adherence=0.0, extra=("a:Quiet=-1",))


@pytest.mark.parametrize("text", ["Quiet", "a:Quiet=much", "a:=1", ":Quiet", "a:b=nan"])
def test_other_texts_are_refused_at_once(text):
    with pytest.raises(errors.InputError, match="module:Class=weight"):
        run_config.RewardConfig(extra=(text,))


def test_its_score_is_part_of_the_sum_under_its_name(module):
    del module
    networks = system.networks_directory()
    sound = system.Sound(networks, system.load_language(networks).policy)
    config = run_config.RewardConfig(
        text_adherence=0.0, loudness=1.0, extra=("my_rewards:Quiet=0.5",)
    )
    reward = system.make_reward(config, sound)
    assert list(reward.weights.items()) == [("loudness", 1.0), ("Quiet", 0.5)]
    clips = np.full((2, 100), 0.25, np.float32)
    scores = reward(["a", "b"], clips, np.zeros((2, 3, 1), np.int32))
    np.testing.assert_allclose(scores["Quiet"], [-0.25, -0.25])
    np.testing.assert_allclose(scores["total"], scores["loudness"] - 0.125)
    watched = run_config.RewardConfig(loudness=1.0, extra=("my_rewards:Quiet=0",))
    assert not own_rewards.make_parts(watched.extra, watch=False)
    assert len(own_rewards.make_parts(watched.extra, watch=True)) == 1


def test_its_source_is_part_of_what_a_run_reads(module):
    names = ("my_rewards:Quiet=0.5",)
    before = own_rewards.hashes(names)
    assert list(before) == ["reward Quiet"]
    module.write_text(SOURCE + "\n")
    assert own_rewards.hashes(names) != before


def test_every_role_is_told_of_it():
    reward = run_config.RewardConfig(extra=("my_rewards:Quiet=0.5",))
    config = run_config.RunConfig(reward=reward)
    line = "RewardConfig.extra = ('my_rewards:Quiet=0.5',)"
    assert line in run_config_gin.as_gin(config).splitlines()
    fields = run_config.shared_fields(config)
    assert fields["reward"]["extra"] == ("my_rewards:Quiet=0.5",)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module:Quiet", "module no_such_module, which cannot be imported"),
        ("my_rewards:Loud", "has no class Loud"),
        ("my_rewards:quiet", "has no class quiet"),
        ("my_rewards:Greedy", "must be made without arguments"),
        ("my_rewards:Mute", "called with captions, waveform and tokens"),
        ("my_rewards:Deaf", "called with captions, waveform and tokens"),
    ],
)
def test_what_is_no_reward_is_refused_in_one_line(module, name, words):
    del module
    with pytest.raises(errors.InputError, match=words) as refused:
        own_rewards.load(own_rewards.parse(name))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", [*own_rewards.TAKEN, "Quiet"])
def test_a_name_that_is_taken_is_refused_with_the_config(name):
    extra = ("my_rewards:Quiet=0.5", f"other:{name}=0")
    with pytest.raises(errors.InputError, match=f"{name} is taken"):
        run_config.RewardConfig(extra=extra)


FAULTS = """\
import numpy as np


class Divides:
    def __call__(self, captions, waveform, tokens):
        return {"total": self._scores()}

    def _scores(self):
        return np.ones(2) / [1, 2, 3]


class Missing:
    def __call__(self, captions, waveform, tokens):
        import no_such_module


class Bare:
    def __call__(self, captions, waveform, tokens):
        return np.zeros(2)


class Scalar:
    def __call__(self, captions, waveform, tokens):
        return {"total": np.zeros(2), "scalar": 3.0}


class Broken:
    def __init__(self):
        raise RuntimeError("no\\nweights")

    def __call__(self, captions, waveform, tokens):
        return {}
"""


def score_with(text):
    (part,) = own_rewards.make_parts((text,), watch=True)
    audio, tokens = np.zeros((2, 8), np.float32), np.zeros((2, 3, 1), np.int32)
    return part.reward(["a", "b"], audio, tokens)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Divides", r"raised ValueError: operands.*my_rewards\.py, line 9"),
        ("Missing", r"raised ModuleNotFoundError: .*my_rewards\.py, line 14"),
        ("Bare", "must return a mapping with 'total'; got ndarray"),
        ("Scalar", r"under 'scalar' one number for each of 2 clips; got shape \(\)"),
        ("Broken", r"raised RuntimeError: no weights \(.*my_rewards\.py, line 29"),
    ],
)
def test_its_faults_are_told_with_its_name(module, name, words):
    module.write_text(FAULTS)
    with pytest.raises(errors.InputError, match=words) as refused:
        score_with(f"my_rewards:{name}=0")
    assert f"my_rewards:{name}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_module_that_raises_is_refused(module):
    module.write_text("size = 3\nraise RuntimeError('no sound card')\n")
    words = r"RuntimeError: no sound card \(.*my_rewards\.py, line 2\)"
    with pytest.raises(errors.InputError, match=words):
        own_rewards.load(own_rewards.parse("my_rewards:Quiet"))


def test_a_module_that_does_not_parse_is_refused(module):
    module.write_text("class Quiet(:")
    with pytest.raises(errors.InputError, match="my_rewards, which cannot be imported"):
        own_rewards.load(own_rewards.parse("my_rewards:Quiet"))
