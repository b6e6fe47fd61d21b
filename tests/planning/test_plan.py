"""What a plan says of a program, from what was counted."""

import dataclasses
import math

import pytest

from musicrl_jax.acting import config as acting_config
from musicrl_jax.core import errors, sharding
from musicrl_jax.planning import chips, roofline
from musicrl_jax.runs import plan, plan_config

NEEDS = roofline.Needs(
    arguments=10**9,
    outputs=0,
    temporaries=10**9,
    code=0,
    flops=1e12,
    memory_bytes=1e9,
    sent_bytes=1e6,
    collectives={"all-gather": 3},
    largest_gather=5,
)


def row(**changes):
    needs = dataclasses.replace(NEEDS, **changes)
    topology = chips.parse("v5e:4x4")
    return plan.Row(
        program="update",
        topology=topology,
        clips=64,
        needs=needs,
        estimate=roofline.estimate(needs, topology.chip, 5e11),
        parameters=7,
        tokens=64 * 6750,
        mesh={"data": 1, "fsdp": 16, "tensor": 1},
    )


def test_a_program_that_does_not_fit_says_by_how_much():
    assert row().advice == ""
    large = row(temporaries=20 * 10**9)
    assert not large.fits
    assert large.advice.startswith("3.8 GB too much a chip. Raise LearnerConfig.micro")
    assert large.short()["fits"] == "NO"
    assert large.short()["mesh"] == "fsdp 16"


def test_all_figures_have_names():
    fields = row().fields()
    assert fields["peak_bytes"] == 2 * 10**9
    assert fields["mfu_ceiling"] == pytest.approx(0.5)
    assert fields["bound"] == "compute"
    assert fields["hosts"] == 4


def test_programs_and_topologies_are_checked_with_the_config():
    with pytest.raises(errors.InputError, match="programs are of"):
        plan_config.PlanConfig(programs=("train",))
    with pytest.raises(errors.InputError, match="as in v5e:4x4"):
        plan_config.PlanConfig(topology="v5e-16")


def test_what_crosses_slices_is_told_apart():
    two = chips.parse("v5e:4x4", 2)
    needs = dataclasses.replace(NEEDS, sent_bytes=4e9, sent_between_slices=1e9)
    estimate = roofline.estimate(needs, two.chip, 5e11)
    made = dataclasses.replace(row(), topology=two, needs=needs, estimate=estimate)
    # 6.4 Tbit/s of 256 chips are 3.125 GB/s each: slower than 200 GB/s of links.
    assert estimate.limits["network between slices"] == 1 / 3.125
    assert made.fields()["bound"] == "network between slices"
    assert made.fields()["slices"] == 2
    assert made.short()["sent GB"] == "4.0, 1.0 between slices"
    assert row().short()["sent GB"] == "0.0"


def test_an_actor_is_planned_for_one_host():
    with pytest.raises(errors.InputError, match="actor runs on one host"):
        plan_config.PlanConfig(actor_topology="v5e:4x4")


def test_fine_levels_need_a_fine_stage():
    with pytest.raises(errors.InputError, match=r"soundstorm=None. Set it"):
        plan_config.PlanConfig(actor=acting_config.ActorConfig(fine_levels=True))


@pytest.mark.parametrize(("topology", "slices"), [("v5e:4x4", -1), ("v4:2x2x1", 2)])
def test_slices_that_cannot_be_planned_are_refused_with_the_config(topology, slices):
    mesh = sharding.MeshConfig(data=1, fsdp=4, slices=slices)
    with pytest.raises(errors.InputError, match=f"got {slices} of {topology}"):
        plan_config.PlanConfig(topology=topology, mesh=mesh)


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.01, math.inf, math.nan])
def test_a_clip_has_a_length(seconds):
    with pytest.raises(errors.InputError, match="at least a frame and be finite"):
        plan_config.PlanConfig(topology="cpu:1", clip_seconds=seconds)
