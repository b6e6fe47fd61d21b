"""The chain from captions to sound, with networks that show what reached them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, rng
from musicrl_jax.core import layout as layouts
from musicrl_jax.sampling import choices, generator, renderer

LAYOUT = layouts.TokenLayout(
    streams=(
        layouts.Stream(name="semantic", codebook_size=8),
        layouts.Stream(name="coarse", codebook_size=8, levels=2, steps_per_frame=2),
    )
)


@dataclasses.dataclass(frozen=True)
class EchoPolicy:
    """Draws the first conditioning token plus the frame and position, for sure."""

    layout: layouts.TokenLayout = LAYOUT

    def frame_states(self, params, tokens, conditioning):
        raise NotImplementedError

    def token_logits(self, params, states, tokens):
        raise NotImplementedError

    def init_cache(self, params, conditioning, num_frames):
        return conditioning[:, 0]

    def step(self, params, cache, previous, choose):
        drawn = [
            choose(jax.nn.one_hot((cache + q) % 8, 8) * 1e4, jnp.asarray(q))
            for q in range(5)
        ]
        tokens, log_probs = (jnp.stack(part, -1) for part in zip(*drawn, strict=True))
        return cache + 1, tokens, log_probs


@dataclasses.dataclass(frozen=True)
class LengthEmbedder:
    """Embeds a text as the number of its ids that are not padding."""

    def embed_audio(self, params, waveform):
        raise NotImplementedError

    def embed_text(self, params, text):
        return (text != 0).sum(axis=-1, keepdims=True).astype(jnp.float32)

    def quantize(self, params, embedding):
        return embedding.astype(jnp.int32)


@dataclasses.dataclass(frozen=True)
class CodeCodec:
    """Decodes each step of codes to one sample: low + high / 10."""

    sample_rate_hz: int = 50
    samples_per_frame: int = 1

    def encode(self, params, waveform):
        raise NotImplementedError

    def decode(self, params, codes):
        return codes[..., 0] + codes[..., 1] / 10


def _words(captions: list[str]) -> np.ndarray:
    return np.asarray(
        [[1] * len(c.split()) + [0] * (9 - len(c.split())) for c in captions]
    )


MAKE = generator.Generator(
    policy=EchoPolicy(), embedder=LengthEmbedder(), codec=CodeCodec(), encode=_words
)
NETWORKS = generator.Networks(policy={}, embedder={}, codec={})


def test_each_captions_own_tokens_become_its_sound() -> None:
    keys = rng.clip_keys(jax.random.key(0), "generate", 0, 2)
    clips, waveform = MAKE(NETWORKS, ["slow piano", "one two three four"], keys, 0.12)
    # Frame f, position q holds words + f + q; the codec reads positions 1 to 4.
    expected = (
        np.arange(3)[None, :, None] + np.arange(5) + np.asarray([2, 4])[:, None, None]
    )
    np.testing.assert_array_equal(clips.tokens, expected % 8)
    np.testing.assert_allclose(clips.log_probs, 0.0)
    pairs = (expected[..., 1:] % 8).reshape(2, 6, 2)
    np.testing.assert_allclose(waveform, pairs[..., 0] + pairs[..., 1] / 10, rtol=1e-6)


@pytest.mark.parametrize("captions", [[], ["  "], ["jazz", ""]])
def test_empty_captions_are_refused(captions: list[str]) -> None:
    with pytest.raises(errors.InputError, match="text"):
        MAKE.condition({}, captions)


def test_a_clip_needs_a_frame() -> None:
    keys = rng.clip_keys(jax.random.key(0), "generate", 0, 1)
    with pytest.raises(errors.InputError, match="frame"):
        MAKE(NETWORKS, ["jazz"], keys, 0.01)


def test_a_renderer_of_an_unknown_stream_names_the_known_ones() -> None:
    with pytest.raises(errors.InputError, match="semantic, coarse"):
        renderer.Renderer(layout=LAYOUT, codec=CodeCodec(), stream="fine")


def test_temperature_divides_logits_once() -> None:
    logits = jnp.asarray([[0.0, 2.0, -1.0]])
    expected = jax.nn.log_softmax(np.asarray([[0.0, 4.0, -2.0]]))
    np.testing.assert_allclose(choices.log_policy(logits, 0.5), expected, rtol=1e-6)
