"""The conformer encoder and its stem; the starter's weights; sizes of gin files."""

import dataclasses
import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.checkpoints import weights
from musicrl_jax.cli import bindings
from musicrl_jax.core import sharding
from musicrl_jax.data import mel_batches
from musicrl_jax.models.semantic import adapter, clusters, config, network, objective
from musicrl_jax.nn import streaming_kmeans
from musicrl_jax.runs import pretrain_semantic

ROOT = pathlib.Path(__file__).parents[3]
STARTER = ROOT / "musicrl_jax" / "assets" / "starter" / "semantic.safetensors"
SIZES = config.SemanticConfig(
    fft_size=640,
    frames_per_token=4,
    stem_channels=3,
    num_mels=8,
    width=8,
    heads=2,
    blocks=2,
    kernel=3,
    token_block=1,
    clusters=6,
    targets=2,
    target_size=8,
    target_width=4,
    mask_frames=2,
)
TOKENIZER = adapter.make_semantic(SIZES)
TRAINER = objective.SemanticObjective(config=SIZES)
ENCODER = network.SemanticEncoder(config=SIZES)


@pytest.fixture(scope="module")
def params():
    return jax.jit(TRAINER.init)(jax.random.key(0))


def mels(clips=2, frames=24):
    return 3 * jax.random.normal(jax.random.key(1), (clips, frames, 8)) - 4


def size(name):
    """Returns the sizes that a gin file sets."""
    return bindings.resolve(
        "SemanticConfig", [ROOT / "gin" / "models" / f"semantic_{name}.gin"]
    ).config


def test_four_frames_make_one_token_and_the_rest_is_left_out(params):
    features = jax.jit(TOKENIZER.features)
    whole = features(params[0], mels())
    assert whole.shape == (2, 6, 8)
    more = jnp.concatenate([mels(), jnp.ones((2, 3, 8))], axis=1)
    np.testing.assert_array_equal(features(params[0], more), whole)
    assert SIZES.mel.hop * 4 == SIZES.hop
    sound = 0.1 * jax.random.normal(jax.random.key(2), (1, 640 * 5))
    full = {"network": params[0], "centroids": jnp.eye(6, 8)}
    assert jax.jit(TOKENIZER.tokenize)(full, sound).shape == (1, 5)


def test_what_is_hidden_reaches_no_logit_through_the_stem(params):
    mask = jnp.asarray([[False, True, True, False, False, True]])
    logits = jax.jit(lambda mel: ENCODER.apply({"params": params[0]}, mel, mask))
    hidden = jnp.repeat(mask, 4, axis=1)[:, :, None]
    other = jnp.where(hidden, mels(1) + 7, mels(1))
    np.testing.assert_array_equal(logits(mels(1)), logits(other))
    shown = jnp.where(hidden, mels(1), mels(1) + 7)
    assert float(jnp.max(jnp.abs(logits(mels(1)) - logits(shown)))) > 1e-3


def test_every_token_sees_the_whole_clip(params):
    features = jax.jit(TOKENIZER.features)
    moved = mels(1).at[0, 0].add(5.0)
    change = jnp.abs(features(params[0], moved) - features(params[0], mels(1)))
    assert bool(jnp.all(change.max((0, 2)) > 1e-6))


def test_targets_stack_the_frames_of_a_token(params):
    assert params[1]["projections"].shape == (2, 4 * 8, 4)
    loss, (_, metrics) = jax.jit(TRAINER.loss)(
        params[0], params[1], {"mel": mels(8)}, jax.random.key(3)
    )
    assert float(loss) == pytest.approx(math.log(8), rel=0.5)
    assert 0 <= float(metrics["accuracy"]) <= 1


def test_bfloat16_scan_and_remat_train_and_keep_float32_features(params):
    other = dataclasses.replace(SIZES, dtype="bfloat16", scan_layers=True, remat=True)
    trainer = objective.SemanticObjective(config=other)
    features = jax.jit(adapter.make_semantic(other).features)(params[0], mels())
    assert features.dtype == jnp.float32
    exact = jax.jit(TOKENIZER.features)(params[0], mels())
    assert float(jnp.mean(jnp.abs(features - exact))) < 0.05
    gradient = jax.jit(
        jax.grad(
            lambda p: trainer.loss(p, params[1], {"mel": mels()}, jax.random.key(0))[0]
        )
    )(params[0])
    assert all(jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))


def test_clusters_of_a_mesh_are_those_of_one_device(params):
    """The step that `pretraining.loop` drives, on four devices and on one."""
    stream = mel_batches.MelBatches(
        mels=[np.asarray(mel, np.float16) for mel in mels(12, 40)],
        batch_size=4,
        frames=(24,),
    )
    found = []
    for devices in (jax.devices(), jax.devices()[:1]):
        mesh = sharding.make_mesh(sharding.MeshConfig(), devices)
        place = sharding.batch_sharding(mesh)
        encoder = jax.device_put(params[0], sharding.tree_shardings(params[0], mesh))
        fitting = clusters.ClusterStep(
            tokenizer=TOKENIZER,
            kmeans=streaming_kmeans.StreamingKMeans(size=6, steps=4),
            encoder=encoder,
            first=jax.device_put(stream.batch(0), place),
        )
        root = jax.random.key(0)
        state = fitting.init(root)
        for step in range(4):
            batch = jax.device_put(stream.batch(step), place)
            state, figures = fitting(state, batch, root)
        assert float(figures["inertia"]) > 0
        found.append(np.asarray(state.centroids))
    np.testing.assert_allclose(*found, atol=1e-3)


def test_the_starters_weights_give_what_their_leaves_say():
    """ConvNeXt blocks written out in NumPy, from the file's own leaves."""
    tokenizer, params = pretrain_semantic.load(STARTER)
    assert tokenizer.config.heads == 0
    leaves = weights.read_leaves(STARTER)
    generator = np.random.default_rng(0)
    bands = tokenizer.config.num_mels
    mel = generator.normal(-4, 2, (1, 40, bands)).astype(np.float32)
    found = jax.jit(tokenizer.features)(params["network"], mel)
    np.testing.assert_allclose(
        found[0], by_hand(leaves, mel[0], tokenizer.config), atol=2e-3
    )
    tokens = jax.jit(tokenizer.tokenize_mel)(params, mel)
    gaps = np.asarray(found)[0, :, None] - leaves["centroids"][None].astype(np.float32)
    assert np.mean(np.square(gaps).sum(-1).argmin(-1) == tokens[0]) == 1


def by_hand(leaves, mel, config):
    """Returns the starter's features of one clip."""
    at = {name: leaf.astype(np.float64) for name, leaf in leaves.items()}

    def dense(x, name):
        return x @ at[f"network/{name}/kernel"] + at[f"network/{name}/bias"]

    def norm(x):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(
            x.var(-1, keepdims=True) + 1e-6
        )

    x = dense((mel - config.mel_mean) / config.mel_deviation, "enter")
    for number in range(4):
        block = f"lower/block_{number}"
        kernel = at[f"network/{block}/depthwise/kernel"]
        padded = np.pad(x, ((4, 4), (0, 0)))
        y = sum(padded[i : i + len(x)] * kernel[i] for i in range(9))
        y = norm(y + at[f"network/{block}/depthwise/bias"])
        y = y * at[f"network/{block}/norm/scale"] + at[f"network/{block}/norm/bias"]
        y = dense(y, f"{block}/up")
        y = 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
        x = x + at[f"network/{block}/scale"] * dense(y, f"{block}/down")
    return norm(x)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("tiny", 5e3, 5e4), ("starter", 1.1e6, 1.2e6), ("base", 5.5e8, 6.5e8)],
)
def test_sizes_have_about_the_parameters_that_they_should(name, low, high):
    sizes = size(name)
    abstract = adapter.make_semantic(sizes).abstract_params()
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(abstract))
    assert low < count < high
    assert (sizes.heads > 0) == (name != "starter")


def test_the_base_size_has_the_papers_rates_and_its_loss_builds():
    sizes = size("base")
    assert sizes.sample_rate_hz / sizes.hop == 25
    assert sizes.sample_rate_hz / sizes.mel.hop == 100
    assert sizes.clusters == 1024
    trainer = objective.SemanticObjective(config=sizes)
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    params, targets = jax.eval_shape(trainer.init, key)
    assert targets["projections"].shape == (4, 512, 16)
    batch = {"mel": jax.ShapeDtypeStruct((2, 3000, 128), jnp.float16)}
    loss, _ = jax.eval_shape(trainer.loss, params, targets, batch, key)
    assert (loss.shape, loss.dtype) == ((), jnp.float32)
