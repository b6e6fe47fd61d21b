"""What is told of programs that are lowered, against compiled ones and closed forms."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from musicrl_jax.cli import bindings, gin_files
from musicrl_jax.core import errors, sharding
from musicrl_jax.planning import costs, hlo, lowered
from musicrl_jax.runs import musiclm_flops, plan, plan_config, plan_lowered, plan_search


def product(x, w):
    return x @ w


def loop(x, w):
    body = jax.checkpoint(lambda c, _: (jnp.tanh(c @ w), None))
    return jnp.sum(jax.lax.scan(body, x, length=4)[0])


def taps(x, w):
    return jax.lax.conv_general_dilated(
        x, w, (2,), "VALID", dimension_numbers=("NWC", "WIO", "NWC")
    )


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (product, ((3, 5), (5, 7))),
        (jax.grad(loop, (0, 1)), ((8, 8), (8, 8))),
        (taps, ((2, 12, 4), (3, 4, 6))),
    ],
)
def test_a_traced_program_counts_as_the_compiled_one(function, shapes):
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    traced = jax.jit(function).trace(*arrays)
    compiled = hlo.parse(traced.lower().compile().as_text())
    assert lowered.flops(traced) == costs.flops(compiled) > 0


def test_work_of_one_device_counts_once_for_each():
    mesh = sharding.abstract_mesh(sharding.MeshConfig(data=4), 4)
    spec = PartitionSpec("data")
    each = jax.shard_map(
        product, mesh=mesh, in_specs=(spec, PartitionSpec()), out_specs=spec
    )
    x = jax.ShapeDtypeStruct((8, 5), jnp.float32, sharding=NamedSharding(mesh, spec))
    w = jax.ShapeDtypeStruct((5, 7), jnp.float32)
    assert lowered.flops(jax.jit(each).trace(x, w)) == 2 * 8 * 5 * 7
    assert lowered.bytes_of_each([x]) == 2 * 5 * 4


def planned(topology, *params):
    settings = [f"PlanConfig.topology='{topology}'", *params]
    file = gin_files.find("gin/runs/plan.gin")
    return bindings.resolve("PlanConfig", [file], settings).config


def test_the_update_at_the_papers_size_has_the_closed_forms_flops():
    config = planned(
        "h100:8", "LearnerConfig.batch_clips=64", "LearnerConfig.microbatches=1"
    )
    row = plan_lowered.plan(config, "update", lowered.parse("h100:8"))
    forward = musiclm_flops.forward(
        config.musiclm, config.layout, config.frames, scored="pieces"
    )
    closed = 64 / 8 * musiclm_flops.update(forward, remat=True, value=True)
    assert row.flops == pytest.approx(closed, rel=0.01)
    # Float32 parameters, gradients' moments and the reference: 28 bytes a parameter.
    assert row.arguments == pytest.approx(28 * row.parameters / 8, rel=0.05)
    assert row.fields()["estimated_seconds"]["compute"] == row.flops / 989e12
    assert row.bound == "compute"
    assert row.advice == ""


def test_one_device_that_cannot_hold_the_state_says_so():
    config = planned("h100:1", "PlanConfig.programs=('sample',)")
    (row,) = plan.run(config)
    assert row.advice == ""
    large = dataclasses.replace(row, arguments=85 * 10**9)
    assert large.advice.startswith("5.0 GB too much a device")


def test_cpus_have_no_estimate():
    (row,) = plan.run(planned("cpu:2", "PlanConfig.programs=('rewards',)"))
    assert row.seconds is None
    assert row.short()["least s (estimate)"] == "-"


@pytest.mark.parametrize("name", ["h100", "h100:", "h100:0", "cpu:two"])
def test_a_number_of_devices_is_needed(name):
    with pytest.raises(errors.InputError, match="with their number"):
        plan_config.PlanConfig(topology=name)


def test_an_unknown_kind_names_all_that_are_known():
    with pytest.raises(errors.InputError, match=r"v5e.*h100.*cpu"):
        plan_config.PlanConfig(topology="b200:8")


def test_actors_and_learner_are_planned_in_one_way():
    with pytest.raises(errors.InputError, match="Plan them apart"):
        plan_config.PlanConfig(topology="v5e:4x4", actor_topology="h100:8")


def test_sampling_reads_its_weights_at_each_frame():
    (row,) = plan.run(planned("h100:8", "PlanConfig.programs=('sample',)"))
    assert row.bound == "memory"
    assert row.seconds == row.arguments * 750 / 3350e9


def test_the_search_is_for_tpus():
    with pytest.raises(errors.InputError, match="needs a slice of TPUs"):
        plan_search.run(plan_config.PlanConfig(topology="h100:8"))
