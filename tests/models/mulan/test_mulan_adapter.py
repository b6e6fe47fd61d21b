"""The towers as a joint embedder: unit vectors, padding, length, codes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, protocols
from musicrl_jax.models.mulan import adapter, config, objective
from musicrl_jax.nn import clustering

SIZES = config.MulanConfig(
    vocabulary_size=30,
    text_words=6,
    text_width=16,
    text_heads=2,
    fft_size=640,
    num_mels=8,
    audio_widths=(8, 12),
    audio_blocks=1,
    min_seconds=0.5,
    embedding=8,
    conditioning_tokens=3,
    codebook_size=4,
)
MULAN = adapter.make_mulan(SIZES)
embed_audio = jax.jit(MULAN.embed_audio)
embed_text = jax.jit(MULAN.embed_text)


@pytest.fixture(scope="module")
def params():
    return jax.jit(MULAN.init_params)(jax.random.key(0))


def _sound(clips: int, samples: int) -> jax.Array:
    return 0.1 * jax.random.normal(jax.random.key(5), (clips, samples))


def test_it_is_a_joint_embedder_of_unit_vectors(params):
    assert isinstance(MULAN, protocols.JointEmbedder)
    text = jnp.asarray([[1, 2, 3, 0, 0, 0], [29, 1, 1, 1, 1, 1], [0] * 6], jnp.int32)
    for vectors in (
        embed_text(params, text),
        embed_audio(params, _sound(2, 16_000)),
        embed_audio(params, _sound(2, 12_345)),
    ):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=-1), 1, rtol=1e-5)


def test_padding_changes_nothing_and_order_does(params):
    short = jnp.asarray([[4, 7, 9]], jnp.int32)
    padded = jnp.pad(short, ((0, 0), (0, 3)))
    one, other = embed_text(params, short), embed_text(params, padded)
    np.testing.assert_allclose(one, other, atol=1e-5)
    turned = embed_text(params, short[:, ::-1])
    assert float(jnp.max(jnp.abs(one - turned))) > 1e-4


def test_a_clip_does_not_depend_on_its_batch(params):
    sound = _sound(3, 16_000)
    together = embed_audio(params, sound)
    alone = embed_audio(params, sound[1:2])
    np.testing.assert_allclose(together[1:2], alone, atol=1e-5)


def test_clips_shorter_than_the_window_are_refused(params):
    with pytest.raises(errors.InputError, match="8000 samples or more"):
        MULAN.embed_audio(params, _sound(1, 7_999))


def test_finish_centres_both_modalities_and_codes_what_it_saw(params):
    audio = jax.random.normal(jax.random.key(1), (40, 8)) + 3.0
    text = jax.random.normal(jax.random.key(2), (30, 8)) - 3.0
    done = MULAN.finish(jax.random.key(0), params["network"], audio, text)
    np.testing.assert_allclose(done["audio_mean"], audio.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(done["text_mean"], text.mean(axis=0), rtol=1e-5)
    vectors = embed_audio(done, _sound(4, 16_000))
    codes = MULAN.quantize(done, vectors)
    assert codes.shape == (4, 3)
    assert int(codes.min()) >= 0
    assert int(codes.max()) < 4
    restored = clustering.residual_sum(codes, done["codebooks"])
    again = clustering.residual_codes(restored, done["codebooks"][:1])
    np.testing.assert_array_equal(
        again[:, 0], clustering.nearest(restored, done["codebooks"][0])
    )


def test_the_shapes_on_disk_are_those_of_the_parameters(params):
    expected = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), params)
    found = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), MULAN.abstract_params())
    assert found == expected


def test_training_finds_the_partners_of_a_tiny_set():
    """Eight clips of one tone each, whose caption names the tone."""
    tones = jnp.eye(8)[:, None, :].repeat(12, axis=1) * 6 - 4
    text = jnp.pad(jnp.arange(1, 9, dtype=jnp.int32)[:, None], ((0, 0), (0, 5)))
    batch = {"mel": tones, "text": text}
    plain = objective.Augmentation(gain=0.0, mel_bands=0, word_share=0.0)
    trainer = objective.MulanObjective(config=SIZES, augmentation=plain)
    params, _ = jax.jit(trainer.init)(jax.random.key(0))

    @jax.jit
    def descend(params):
        (loss, (_, metrics)), gradient = jax.value_and_grad(
            lambda tree: trainer.loss(tree, {}, batch, jax.random.key(0)), has_aux=True
        )(params)
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient)
        return params, loss, metrics

    params, first, _ = descend(params)
    loss, metrics = first, {}
    for _ in range(60):
        params, loss, metrics = descend(params)
    assert first > 0.5 * np.log(8)
    assert loss < 0.2 * first
    assert metrics["recall/audio_to_text"] == 1.0


def test_augmentation_keeps_what_it_should():
    augment = objective.Augmentation(gain=0.5, mel_bands=2, word_share=0.5)
    mel = jnp.zeros((50, 4, 8))
    changed = augment.mel(jax.random.key(0), mel, -9.0)
    hidden = np.asarray(changed == -9.0)
    assert hidden.any(axis=(1, 2)).all()
    assert hidden[:, 0].sum(axis=-1).max() == 2
    assert float(jnp.max(jnp.abs(jnp.where(hidden, 0.0, changed)))) <= 0.5
    text = jnp.arange(1, 201, dtype=jnp.int32).reshape(10, 20)
    fewer = augment.text(jax.random.key(1), text)
    assert bool(jnp.all((fewer == 0) | (fewer == text)))
    assert 0.3 < float(jnp.mean(fewer == 0)) < 0.7


@pytest.mark.slow
def test_all_parts_in_half_precision_give_nearly_the_same_vectors():
    full = dataclasses.replace(
        SIZES, audio_stem=(3, 4), audio_layers=2, audio_heads=2, text_layers=2
    )
    half = dataclasses.replace(full, dtype="bfloat16", scan_layers=True, remat=True)
    params = jax.jit(adapter.make_mulan(full).init_params)(jax.random.key(0))
    text = jax.random.randint(jax.random.key(1), (3, 6), 0, 30)
    vectors = []
    for sizes in (full, half):
        mulan = adapter.make_mulan(sizes)
        sound = jax.jit(mulan.embed_audio)(params, _sound(3, 16_000))
        vectors.append((sound, jax.jit(mulan.embed_text)(params, text)))
    for one, other in zip(*vectors, strict=True):
        assert one.dtype == other.dtype == jnp.float32
        np.testing.assert_allclose(one, other, atol=0.03)
        assert not np.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    "fields",
    [
        {"embedding": 0},
        {"audio_widths": ()},
        {"text_width": 18, "text_heads": 4},
        {"audio_layers": 1, "audio_heads": 3},
    ],
)
def test_sizes_that_cannot_be_are_refused(fields):
    with pytest.raises(errors.InputError, match=r"MulanConfig|BlockConfig"):
        config.MulanConfig(**fields)
