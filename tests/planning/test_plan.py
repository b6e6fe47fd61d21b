"""What a plan says of a program, from what was counted."""

import dataclasses

import pytest

from musicrl_jax.core import errors
from musicrl_jax.planning import chips, roofline
from musicrl_jax.runs import plan, plan_config, plan_search

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


@pytest.mark.parametrize(("room", "clips"), [(0.9, 1), (1.5, 2), (3.5, 4), (7.5, 8)])
def test_the_search_takes_the_largest_batch_that_fits(monkeypatch, room, clips):
    capacity = chips.CHIPS["v5e"].memory
    each = (plan_search.MARGIN * capacity - 1e9) / (room + 1)

    def compiled(config, mesh, number):
        made = row(arguments=int(1e9), temporaries=int(each * number))
        return dataclasses.replace(made, clips=number)

    monkeypatch.setattr(plan_search, "_compiled", compiled)
    found = plan_search.run(plan_config.PlanConfig())
    assert {one.clips for one in found} == {clips}
    assert f"LearnerConfig.batch_clips={clips} " in found[0].recommendation
