"""The MuLan score against cosines by hand, its cache, padding and errors."""

import dataclasses
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, protocols
from musicrl_jax.rewards import text_adherence


@dataclasses.dataclass(frozen=True)
class Embedder:
    """Audio: direction of (mean, mean of squares); text: the angle in its first id."""

    def embed_audio(self, params: Mapping, waveform):
        features = jnp.stack([waveform.mean(1), jnp.square(waveform).mean(1)], 1)
        return features / jnp.linalg.norm(features + 1e-9, axis=1)[:, None]

    def embed_text(self, params: Mapping, text):
        angle = text[:, 0] * params["degree"]
        return jnp.stack([jnp.cos(angle), jnp.sin(angle)], 1)

    def quantize(self, params: Mapping, embedding):
        return jnp.zeros((len(embedding), 1), int)


class Encoder:
    """Caption "30" has the id 30; counts its calls."""

    def __init__(self):
        self.encoded = []

    def encode(self, texts):
        self.encoded += texts
        return np.asarray([[int(caption), 0] for caption in texts], np.int32)


def make_reward(**kwargs):
    encoder = Encoder()
    reward = text_adherence.TextAdherenceReward(
        embedder=Embedder(),
        params={"degree": np.float32(np.pi / 180)},
        tokenizer=encoder,
        config=text_adherence.TextAdherenceConfig(**kwargs),
    )
    return reward, encoder


def test_score_is_the_mean_cosine_over_thirds():
    reward, _ = make_reward()
    thirds = [0.2, -0.7, 0.9]
    clip = np.repeat(np.array(thirds, np.float32), 40)[None]
    angle = np.deg2rad(50)
    expected = 0.0
    for value in thirds:
        audio = np.array([value, value**2]) / np.hypot(value, value**2)
        expected += audio @ [np.cos(angle), np.sin(angle)] / 3
    score = reward(["50"], clip, np.zeros((1, 4, 2), np.int32))["total"]
    np.testing.assert_allclose(score, [expected], rtol=1e-4)
    assert score.dtype == np.float32


def test_scores_do_not_depend_on_batch_or_padding():
    reward, _ = make_reward(clips_per_call=4)
    rng = np.random.default_rng(3)
    clips = rng.uniform(-1, 1, (9, 99)).astype(np.float32)
    captions = [str(10 * i) for i in range(9)]
    together = reward(captions, clips, None)["total"]
    alone = [
        reward([caption], clip[None], None)["total"][0]
        for caption, clip in zip(captions, clips, strict=True)
    ]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_each_caption_is_embedded_once():
    reward, encoder = make_reward(clips_per_call=2)
    clips = np.ones((5, 30), np.float32)
    captions = ["1", "2", "1", "3", "2"]
    first = reward(captions, clips, None)["total"]
    second = reward(captions, clips, None)["total"]
    assert sorted(encoder.encoded) == ["1", "2", "3"]
    np.testing.assert_array_equal(first, second)


def test_small_cache_changes_no_score():
    small, encoder = make_reward(cached_captions=1)
    large, _ = make_reward()
    captions = ["5", "40", "5", "80"]
    np.testing.assert_array_equal(
        small.text_embeddings(captions), large.text_embeddings(captions)
    )
    small.text_embeddings(["80"])
    assert encoder.encoded.count("80") == 1
    small.text_embeddings(["5"])
    assert encoder.encoded.count("5") == 2


def test_no_clips_give_no_scores():
    reward, _ = make_reward()
    assert reward([], np.zeros((0, 30), np.float32), None)["total"].shape == (0,)


def test_rejects_captions_without_clips():
    reward, _ = make_reward()
    with pytest.raises(errors.InputError, match="2 captions for 1 clips"):
        reward(["1", "2"], np.zeros((1, 30), np.float32), None)
    with pytest.raises(errors.InputError, match="clips_per_call"):
        text_adherence.TextAdherenceConfig(clips_per_call=0)


def test_is_a_reward():
    assert isinstance(make_reward()[0], protocols.Reward)
