"""What a search tries and recommends, with programs of known sizes."""

import dataclasses

import pytest

from musicrl_jax.core import errors, sharding
from musicrl_jax.learning import config as learning_config
from musicrl_jax.planning import chips, roofline
from musicrl_jax.runs import plan, plan_config, plan_search

CAPACITY = chips.CHIPS["v5e"].memory
STATE = 1e9
OPEN = sharding.MeshConfig(data=-1, fsdp=-1)


def config(topology="v5e:4x4", batch=512, mesh=OPEN, **change):
    learner = learning_config.LearnerConfig(batch_clips=batch, microbatches=1)
    return plan_config.PlanConfig(
        topology=topology, learner=learner, mesh=mesh, **change
    )


@pytest.fixture
def compile_with(monkeypatch):
    """Returns a way to put programs of so many bytes a clip in the compiler's place.

    They take as long as the slowest of work that all share alike, and of gathers, which
    every part repeats.
    """

    def install(each):
        tried = []

        def plan_one(config, program):
            assert program == "update"
            learner = config.learner
            target = chips.parse(config.topology, config.mesh.slices)
            mesh = dict(
                zip(
                    sharding.AXES,
                    sharding.axis_sizes(config.mesh, target.chips),
                    strict=True,
                )
            )
            hands = mesh["slice"] * mesh["data"] * mesh["fsdp"]
            clips = learner.batch_clips // hands // learner.microbatches
            assert clips * hands * learner.microbatches == learner.batch_clips
            tried.append((config.mesh, clips))
            needs = roofline.Needs(
                arguments=int(STATE),
                outputs=0,
                temporaries=int(each * clips),
                code=0,
                flops=1e12,
                memory_bytes=0.0,
                sent_bytes=1e10 * learner.microbatches / mesh["data"],
                collectives={},
                largest_gather=0,
            )
            return plan.Row(
                program=program,
                topology=target,
                clips=learner.batch_clips,
                needs=needs,
                estimate=roofline.estimate(needs, target.chip, 1e12),
                parameters=7,
                tokens=learner.batch_clips * 6750,
                mesh=mesh,
                parts=learner.microbatches,
            )

        monkeypatch.setattr(plan, "plan", plan_one)
        return tried

    return install


@pytest.mark.parametrize(("room", "clips"), [(1.5, 1), (2.5, 2), (4.5, 4), (9, 8)])
def test_a_chip_holds_the_most_clips_that_fit(compile_with, room, clips):
    compile_with((plan_search.MARGIN * CAPACITY - STATE) / room)
    found = plan_search.run(config())
    assert [(row.clips, row.parts) for row in found if row.mesh["tensor"] == 1] == [
        (512, 512 // 16 // clips)
    ] * 2
    # Two groups send half as much each, in this example.
    assert found[0].recommendation == (
        "Recommended: MeshConfig.data=2, MeshConfig.fsdp=8, MeshConfig.tensor=1 and "
        f"LearnerConfig.microbatches={32 // clips}, for LearnerConfig.batch_clips=512."
    )


def test_the_batch_stays_though_it_has_few_divisors(compile_with):
    compile_with(1e6)
    found = plan_search.run(config(batch=16 * 7))
    assert {row.clips for row in found} == {16 * 7}
    assert found[0].parts == 1


def test_a_batch_that_no_mesh_deals_out_is_refused(compile_with):
    tried = compile_with(1e6)
    with pytest.raises(errors.InputError, match=r"multiple of 8 or 16.*got 100"):
        plan_search.run(config(batch=100))
    assert not tried


def test_axes_that_are_given_stay(compile_with):
    tried = compile_with(1e6)
    plan_search.run(config(mesh=sharding.MeshConfig(data=2, fsdp=-1)))
    assert {(mesh.data, mesh.fsdp, mesh.tensor) for mesh, _ in tried} == {(2, 8, 1)}
    tried.clear()
    # Not among what is tried otherwise.
    plan_search.run(config(mesh=sharding.MeshConfig(data=4, fsdp=-1, tensor=2)))
    assert {(mesh.data, mesh.fsdp, mesh.tensor) for mesh, _ in tried} == {(4, 2, 2)}


def test_slices_stay_and_share_the_batch(compile_with):
    tried = compile_with(1e6)
    found = plan_search.run(config(mesh=dataclasses.replace(OPEN, slices=2)))
    assert {mesh.slices for mesh, _ in tried} == {2}
    assert {row.topology.chips for row in found} == {32}
    assert max(clips for _, clips in tried) == 512 // 16


def test_other_programs_are_refused(compile_with):
    compile_with(1e6)
    assert plan_search.run(config(programs=("update",)))
    with pytest.raises(errors.InputError, match="got the programs sample, rewards"):
        plan_search.run(config(programs=("sample", "rewards")))


def test_nothing_that_fits_is_an_error(compile_with):
    compile_with(CAPACITY)
    with pytest.raises(errors.InputError, match="No mesh of v5e:4x4 holds one clip"):
        plan_search.run(config())


def test_each_compiled_program_is_progress(compile_with):
    tried = compile_with((plan_search.MARGIN * CAPACITY - STATE) / 4.5)
    seen = []
    plan_search.run(config(), lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 9)
    assert seen[-1] == (9, 9)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len({done for done, _ in seen}) == len(tried) + 1
