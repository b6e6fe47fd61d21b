"""The real programs at the paper's size, compiled for TPUs that are not here."""

import functools

import pytest

from musicrl_jax.cli import bindings, gin_files
from musicrl_jax.runs import musiclm_flops, plan

pytestmark = pytest.mark.tpu

LAYER = 1536 * 6144 * 2
"""Bytes of the largest kernel of a layer, in bfloat16."""


@functools.cache
def planned(topology, clips, program="update"):
    params = [
        f"PlanConfig.topology='{topology}'",
        f"LearnerConfig.batch_clips={clips}",
        "LearnerConfig.microbatches=1",
    ]
    file = gin_files.find("gin/runs/plan.gin")
    config = bindings.resolve("PlanConfig", [file], params).config
    return config, plan.plan(config, program)


@pytest.mark.parametrize(("topology", "chips"), [("v5e:4x4", 16), ("v5e:16x16", 256)])
def test_the_update_fits_and_gathers_no_more_than_a_layer(topology, chips):
    config, row = planned(topology, 4 * chips)
    assert row.parameters >= 0.7e9
    assert row.fits
    # Each group of at most 16 chips holds the whole state once.
    group = row.mesh["fsdp"]
    assert group == min(chips, 16)
    assert row.needs.arguments == pytest.approx(28 * row.parameters / group, rel=0.05)
    # A layer has two such kernels and 4 / 6 of one for attention.
    assert row.needs.largest_gather <= 3 * LAYER
    forward = musiclm_flops.forward(
        config.musiclm, config.layout, config.frames, causal=False
    )
    closed = 4 * musiclm_flops.update(forward, remat=True, value=True)
    assert row.needs.flops == pytest.approx(closed, rel=0.05)


def test_each_chip_has_the_same_to_do_however_many_there_are():
    few, many = planned("v5e:4x4", 64)[1], planned("v5e:16x16", 1024)[1]
    assert many.needs.flops <= 1.1 * few.needs.flops
    assert many.needs.peak <= 1.1 * few.needs.peak
    assert many.needs.memory_bytes <= 1.1 * few.needs.memory_bytes
    # Groups exchange gradients, whole, besides what one group's chips do.
    assert many.needs.sent_bytes <= 1.4 * few.needs.sent_bytes


def test_an_actor_fits_one_host():
    _, row = planned("v6e:4x4", 64, "sample")
    assert row.topology.hosts == 1
    assert row.clips == 64
    assert row.fits
