"""The real programs at the paper's size, compiled for TPUs that are not here."""

import functools

import jax
import jax.numpy as jnp
import pytest

from musicrl_jax.cli import bindings, gin_files
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.nn import attention_kernels
from musicrl_jax.planning import chips, costs, hlo
from musicrl_jax.runs import musiclm_flops, plan, plan_actor

pytestmark = pytest.mark.tpu

LAYER = 1536 * 6144 * 2
"""Bytes of the largest kernel of a layer, in bfloat16."""


@functools.cache
def planned(topology, clips, program="update", *more):
    params = [
        f"PlanConfig.topology='{topology}'",
        f"LearnerConfig.batch_clips={clips}",
        "LearnerConfig.microbatches=1",
        *more,
    ]
    file = gin_files.find("gin/runs/plan.gin")
    config = bindings.resolve("PlanConfig", [file], params).config
    return config, plan.plan(config, program)


@pytest.mark.parametrize(
    ("topology", "number"),
    [("v5e:4x4", 16), ("v6e:8x8", 64), ("v5e:16x16", 256), ("v5p:8x8x8", 512)],
)
def test_the_update_fits_and_gathers_no_more_than_a_layer(topology, number):
    config, row = planned(topology, 4 * number)
    assert row.parameters >= 0.7e9
    assert row.fits
    # Each group of at most 16 chips holds the whole state once.
    group = row.mesh["fsdp"]
    assert group == min(number, 16)
    assert row.needs.arguments == pytest.approx(28 * row.parameters / group, rel=0.05)
    # A layer has two such kernels and 4 / 6 of one for attention.
    assert row.needs.largest_gather <= 3 * LAYER
    check_gathers(config, row.needs.gathers)
    forward = musiclm_flops.forward(
        config.musiclm, config.layout, config.frames, scored="all"
    )
    closed = 4 * musiclm_flops.update(forward, remat=True, value=True)
    assert row.needs.flops == pytest.approx(closed, rel=0.05)


def check_gathers(config, gathers):
    """Checks that none is of logits, or of more than one layer's kernel.

    Of numbers with fractions only tables and heads may be as long as the vocabulary.
    """
    policy = musiclm.make_policy(config.musiclm, config.layout)
    leaves = jax.tree.leaves(policy.abstract_params())
    kernels = {lengths(leaf.shape) for leaf in leaves}
    kernels |= {lengths(leaf.shape[1:]) for leaf in leaves}
    entries = config.layout.vocabulary_size
    for shape in gathers:
        found = lengths(shape.dims)
        if "f" in shape.dtype and len(found) > 1 and found not in kernels:
            assert not any(length % entries == 0 for length in found), shape
    stacked = {lengths(leaf.shape) for leaf in leaves if len(leaf.shape) == 3}
    layers = {config.musiclm.layers, config.musiclm.depth_layers}
    whole = {x for x in stacked if layers & set(x)}
    assert not whole & {lengths(shape.dims) for shape in gathers}


def lengths(dims):
    """Returns the lengths of axes in no order: compilers lay them out anew."""
    return tuple(sorted(x for x in dims if x > 1))


SMALL = (
    *("MusicLMConfig.width=512", "MusicLMConfig.heads=4", "MusicLMConfig.layers=2"),
    *("MusicLMConfig.depth_width=256", "MusicLMConfig.depth_heads=4"),
    *("MusicLMConfig.depth_layers=2", "PlanConfig.clip_seconds=2.0"),
    *("MeshConfig.slices=2", "MeshConfig.data=1", "MeshConfig.fsdp=4"),
)


def test_only_gradients_cross_between_slices():
    config, row = planned("v5e:2x2", 16, "update", *SMALL)
    assert (row.topology.slices, row.topology.chips) == (2, 8)
    assert row.mesh["slice"] == 2
    # Policy and value, of which V lacks the heads, cut over a slice's chips: two slices
    # swap their parts, some in bfloat16 and some in float32.
    heads = config.layout.tokens_per_frame * 256 * config.layout.vocabulary_size
    part = (2 * row.parameters - heads) / 4
    assert 2 * part <= row.needs.sent_between_slices <= 4 * part
    assert row.estimate.bound == "network between slices"
    assert row.needs.arguments == pytest.approx(28 * row.parameters / 4, rel=0.1)


def test_each_chip_has_the_same_to_do_however_many_there_are():
    few, many = planned("v5e:4x4", 64)[1], planned("v5e:16x16", 1024)[1]
    assert many.needs.flops <= 1.1 * few.needs.flops
    assert many.needs.peak <= 1.1 * few.needs.peak
    assert many.needs.memory_bytes <= 1.1 * few.needs.memory_bytes
    # Groups exchange gradients, whole, besides what one group's chips do.
    assert many.needs.sent_bytes <= 1.4 * few.needs.sent_bytes


def test_splash_attention_counts_its_products():
    mask = attention_kernels.PrefixWindow(prefix=12, steps=244, window=100)
    chip = chips.parse("v5e:4x4").devices()[0]
    shape = (2, 4, 256, 96)
    parts = [
        jax.ShapeDtypeStruct(
            shape, jnp.bfloat16, sharding=jax.sharding.SingleDeviceSharding(chip)
        )
    ] * 3

    def loss(*x):
        return jnp.sum(jnp.sin(attention_kernels.attend("splash", *x, mask)))

    compiled = jax.jit(jax.value_and_grad(loss, (0, 1, 2))).lower(*parts).compile()
    # Two products forward, three for the queries' gradient, four for the others'.
    closed = (2 + 3 + 4) * 2 * 2 * 4 * 256 * 256 * 96
    assert costs.flops(hlo.parse(compiled.as_text())) == closed


def test_an_actor_fits_one_host():
    config, row = planned("v5e:4x4", 64, "sample")
    assert row.topology.hosts == 1
    assert row.clips == 64
    assert row.fits
    rewards = planned("v5e:4x4", 64, "rewards")[1]
    programs = {"sample": row.needs, "rewards": rewards.needs}
    whole = plan_actor.plan(config, row.topology, programs)
    assert whole.fits
    # With the preference model and the fine stage, and with two policies.
    assert whole.held.keys() >= {"policy", "codec", "mulan", "preference", "fine stage"}
    assert whole.peak > row.needs.peak + rewards.needs.arguments
