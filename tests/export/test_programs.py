"""One exported program for every batch size, against the package's own sampler."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors
from musicrl_jax.core import layout as layouts
from musicrl_jax.export import programs
from musicrl_jax.models.musiclm import adapter, config
from musicrl_jax.models.soundstream import adapter as soundstream
from musicrl_jax.models.soundstream import config as soundstream_config
from musicrl_jax.sampling import loop, renderer

LAYOUT = layouts.TokenLayout(
    streams=(
        layouts.Stream(name="semantic", codebook_size=8),
        layouts.Stream(name="coarse", codebook_size=8, levels=2),
    )
)
POLICY = adapter.make_policy(
    config.MusicLMConfig(
        width=8,
        heads=2,
        layers=1,
        depth_width=8,
        depth_heads=2,
        window_frames=3,
        conditioning_tokens=2,
        conditioning_size=8,
    ),
    LAYOUT,
)
CODEC = soundstream.make_codec(
    soundstream_config.SoundStreamConfig(
        width=2,
        strides=(2, 2),
        dilations=(1,),
        kernel=3,
        levels=2,
        codebook_size=8,
        code_width=4,
        piece_frames=2,
    )
)
FRAMES = 5


@dataclasses.dataclass(frozen=True)
class TableEmbedder:
    """Embeds a text as its first id's row of a table; the row's ends are its codes."""

    def embed_audio(self, params, waveform):
        raise NotImplementedError

    def embed_text(self, params, text):
        return params["table"][text[:, 0]]

    def quantize(self, params, embedding):
        return embedding.astype(jnp.int32) % 8


@functools.cache
def params():
    def random(tree, seed):
        keys = iter(jax.random.split(jax.random.key(seed), 100))
        return jax.tree.map(lambda x: jax.random.normal(next(keys), x.shape), tree)

    return {
        programs.POLICY: random(POLICY.abstract_params(), 0),
        programs.EMBEDDER: {"table": 8 * jnp.abs(random(jnp.zeros((4, 2)), 1))},
        programs.CODEC: random(soundstream.abstract_params(CODEC.config), 2),
    }


def make(frames=FRAMES):
    given = params()
    return programs.Programs(
        policy=POLICY,
        embedder=TableEmbedder(),
        renderer=renderer.Renderer(layout=LAYOUT, codec=CODEC),
        params=jax.eval_shape(lambda: given),
        num_frames=frames,
        text_width=3,
    )


def restored(exported):
    """Returns the program as a server reads it."""
    assert set(exported.platforms) == {"cpu", "cuda", "tpu"}
    return jax.jit(export.deserialize(exported.serialize(vjp_order=0)).call)


IDS = np.asarray([[1, 2, 0], [3, 0, 0], [2, 1, 1]], np.int32)
KEYS = jax.random.split(jax.random.key(5), 3)


def own(temperature, clips):
    table = np.asarray(params()[programs.EMBEDDER]["table"])
    given = jnp.asarray(table[IDS[:clips, 0]].astype(np.int32) % 8)
    return given, loop.sample(
        POLICY, params()[programs.POLICY], given, KEYS[:clips], FRAMES, temperature
    )


def test_the_sampler_draws_the_packages_tokens_at_every_batch_and_temperature():
    program = restored(make().sampler())
    flat = weights.named_leaves(params()[programs.POLICY])
    for clips, temperature in ((1, 0.99), (3, 0.99), (3, 3.0)):
        given, expected = own(temperature, clips)
        made = program(flat, given, KEYS[:clips], np.float32(temperature))
        np.testing.assert_array_equal(made["tokens"], expected.tokens)
        np.testing.assert_array_equal(made["log_probs"], expected.log_probs)
    assert (own(0.99, 3)[1].tokens != expected.tokens).any()


@pytest.mark.slow
def test_the_chain_goes_from_ids_to_the_waveform_of_the_same_tokens():
    program = restored(make().music())
    flat = {name: weights.named_leaves(tree) for name, tree in params().items()}
    for clips in (1, 3):
        made = program(flat, IDS[:clips], KEYS[:clips], np.float32(0.99))
        tokens = own(0.99, clips)[1].tokens
        np.testing.assert_array_equal(made["tokens"], tokens)
        sound = CODEC.decode(params()[programs.CODEC], tokens[..., 1:])
        assert sound.shape == (clips, FRAMES * 4)
        np.testing.assert_allclose(made["waveform"], sound, atol=1e-5)


def test_clips_need_a_frame():
    with pytest.raises(errors.InputError, match="needs a frame"):
        make(frames=0)
