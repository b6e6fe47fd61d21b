"""The codec's training: sharding, bypass, learning; its adapter; its weights file."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.audio import spectrogram
from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors, protocols, sharding
from musicrl_jax.models.codec import adapter, config, losses, objective
from musicrl_jax.nn import quantizer
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import step

SIZES = config.CodecConfig(
    fft_size=256,
    hop=64,
    num_mels=16,
    width=16,
    encoder_depth=1,
    code_depth=1,
    frame_depth=1,
    levels=3,
    codebook_size=8,
    code_width=4,
    refine_iterations=2,
)
CLIPS, SAMPLES = 4, 128 * 12


def waveforms(seed=0):
    """Returns tones of different pitch and level, two kinds a clip."""
    rng = np.random.default_rng(seed)
    time = np.arange(SAMPLES) / 16_000
    pitch = rng.choice([300.0, 900.0, 2700.0, 5000.0], size=(CLIPS, 2))
    halves = np.where(time < time[-1] / 2, pitch[:, :1], pitch[:, 1:])
    noise = 0.01 * rng.normal(size=halves.shape)
    return (0.3 * np.sin(2 * np.pi * halves * time) + noise).astype(np.float32)


def make_objective(**changes):
    return objective.CodecObjective(
        config=SIZES, loss_config=config.CodecLossConfig(**changes)
    )


@functools.cache
def trained(steps=200):
    """Returns state and metric rows of a short training on one device."""
    run = step.PretrainStep(
        objective=make_objective(dropout=0.0),
        config=pretrain_config.PretrainConfig(
            steps=steps, learning_rate=5e-3, warmup_steps=5
        ),
        mesh=sharding.make_mesh(sharding.MeshConfig(), jax.devices()[:1]),
    )
    root = jax.random.key(0)
    state, rows = run.init(root), []
    for number in range(steps):
        state, scalars = run(state, {"waveform": waveforms(number % 8)}, root)
        rows.append(jax.device_get(dict(scalars)))
    return jax.device_get(state), rows


def test_training_lowers_every_distance():
    _, rows = trained()
    for name in ("loss/magnitude", "loss/mel", "loss/compressed"):
        first, last = (
            np.mean([row[name] for row in part]) for part in (rows[:8], rows[-8:])
        )
        assert last < 0.9 * first, name


def test_sharded_loss_and_codebooks_equal_one_device():
    if jax.device_count() < CLIPS:
        pytest.skip("needs four devices")
    trainer = make_objective()
    params, statistics = trainer.init(jax.random.key(1))
    loss = jax.jit(trainer.loss)
    results = []
    for devices in (1, CLIPS):
        mesh = sharding.make_mesh(sharding.MeshConfig(), jax.devices()[:devices])
        placed = jax.device_put(batch(), sharding.batch_sharding(mesh))
        whole = sharding.tree_shardings((params, statistics), mesh)
        both = jax.device_put((params, statistics), whole)
        results.append(jax.device_get(loss(*both, placed, jax.random.key(2))))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *results
    )


def test_gradient_reaches_the_encoder_through_the_quantiser_alone():
    trainer = make_objective(bypass=0.0, commitment_weight=0.0, dropout=0.0)
    params, statistics = trainer.init(jax.random.key(1))
    books = quantizer.init_statistics(3, 8, 4)
    entries = jax.random.normal(jax.random.key(2), books.entries.shape)
    statistics = {"codebooks": dataclasses.replace(books, entries=entries)}
    key = jax.random.key(0)
    gradient = jax.jit(jax.grad(lambda p: trainer.loss(p, statistics, batch(), key)[0]))
    norms = jax.tree.map(jnp.linalg.norm, gradient(params)["encoder"])
    assert all(norm > 0 for norm in jax.tree.leaves(norms["out"]))


def batch():
    return {"waveform": jnp.asarray(waveforms())}


def test_adapter_decodes_any_number_of_levels_and_more_are_better():
    state, _ = trained()
    codec = adapter.make_codec(SIZES)
    params = adapter.export_params(state.params, state.statistics)
    assert isinstance(codec, protocols.Codec)
    codes = codec.encode(params, jnp.asarray(waveforms(3)))
    assert codes.shape == (CLIPS, SAMPLES // codec.samples_per_frame, 3)
    target = np.log(1e-3 + _magnitude(waveforms(3)))
    errors_by_level = [
        np.abs(np.log(1e-3 + codec.magnitudes(params, codes[..., :n])) - target).mean()
        for n in (1, 2, 3)
    ]
    assert errors_by_level[2] < errors_by_level[0]
    others = codec.magnitudes(params, jnp.roll(codes, 1, axis=0))
    of_another_clip = np.abs(np.log(1e-3 + others) - target).mean()
    assert errors_by_level[2] < 0.95 * of_another_clip
    whole = codec.decode(params, codes)
    assert whole.shape == (CLIPS, SAMPLES)
    assert np.abs(whole).max() <= 1.0
    one_by_one = [codec.decode(params, codes[i : i + 1])[0] for i in range(CLIPS)]
    np.testing.assert_allclose(whole, np.stack(one_by_one), atol=2e-4)


def _magnitude(waveform):
    return spectrogram.stft_magnitude(jnp.asarray(waveform), SIZES.fft_size, SIZES.hop)


def test_waveform_of_half_a_frame_is_refused():
    state, _ = trained()
    params = adapter.export_params(state.params, state.statistics)
    with pytest.raises(errors.InputError, match="multiples of 128"):
        adapter.make_codec(SIZES).encode(params, jnp.zeros((1, 200)))


def test_weights_file_gives_the_same_codec(tmp_path):
    state, _ = trained()
    params = adapter.export_params(state.params, state.statistics)
    path = tmp_path / "codec.safetensors"
    fields = dataclasses.asdict(SIZES)
    weights.save_weights(path, params, "codec", fields, dtype=np.float32)
    name, read = weights.read_config(path)
    assert name == "codec"
    back = weights.load_weights(
        path, adapter.abstract_params(config.CodecConfig(**read))
    )
    codec = adapter.make_codec(SIZES)
    np.testing.assert_array_equal(
        codec.encode(params, jnp.asarray(waveforms())),
        codec.encode(back, jnp.asarray(waveforms())),
    )


def test_log_spectral_distance_of_a_gain_is_its_decibels():
    target = jnp.asarray(
        np.random.default_rng(0).uniform(0.1, 1, (2, 5, 9)), jnp.float32
    )
    distance = losses.log_spectral_distance(target, target * 10 ** (6 / 20))
    np.testing.assert_allclose(distance, 6.0, rtol=1e-4)
    assert losses.log_spectral_distance(target, target) == 0.0


@pytest.mark.parametrize(
    "bad", [{"levels": 0}, {"magnitude_floor": 0.0}, {"refine_iterations": -1}]
)
def test_config_refuses(bad):
    with pytest.raises(errors.InputError, match=f"CodecConfig.{next(iter(bad))}"):
        config.CodecConfig(**bad)
