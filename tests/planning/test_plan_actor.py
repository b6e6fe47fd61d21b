"""What an actor holds, against parameters counted by hand."""

import dataclasses

import pytest

from musicrl_jax.cli import bindings, gin_files
from musicrl_jax.planning import chips, roofline
from musicrl_jax.runs import plan, plan_actor, plan_config

HOST = chips.parse("v5e:2x4")
"""One v5e host, whose devices each hold all networks."""


@pytest.fixture(scope="module")
def base():
    return bindings.resolve(
        "PlanConfig", [gin_files.find("gin/runs/plan.gin")], []
    ).config


def needs(**change):
    none = roofline.Needs(
        arguments=0,
        outputs=0,
        temporaries=0,
        code=0,
        flops=0.0,
        memory_bytes=0.0,
        sent_bytes=0.0,
        collectives={},
        largest_gather=0,
    )
    return dataclasses.replace(none, **change)


def musiclm(config):
    """Returns MusicLM's parameters: kernels, tables and heads, without norms."""
    sizes, layout = config.musiclm, config.layout
    width, depth, block = sizes.width, sizes.depth_width, 4 + 2 * sizes.mlp_ratio
    entries = layout.tokens_per_frame * layout.vocabulary_size
    kernels = block * (sizes.layers * width**2 + sizes.depth_layers * depth**2)
    condition = sizes.conditioning_tokens * sizes.conditioning_size * width
    return (
        kernels
        + condition
        + 2 * width**2
        + width * depth
        + entries * (width + 2 * depth)
    )


def preference(config):
    """Returns the preference model's: the trunk, and a layer on means and spreads."""
    layout, depth = config.layout, config.musiclm.depth_width
    tokens = layout.tokens_per_frame
    heads = tokens * layout.vocabulary_size * depth
    pooled = 2 * (config.musiclm.width + tokens * depth)
    return musiclm(config) - heads + pooled * config.preference.hidden


def soundstorm(sizes):
    """Returns SoundStorm's: two MLPs, attention and a gated convolution a block."""
    block = 2 * 2 * sizes.mlp_ratio + 4 + 3
    entries = (sizes.levels + sizes.fine_levels) * sizes.codebook_size
    return block * sizes.layers * sizes.width**2 + entries * sizes.width


def test_networks_hold_what_their_parameters_take(base):
    held = {
        x: plan_actor.size_of(tree) for x, tree in plan_actor.networks(base).items()
    }
    assert held["policy"] == pytest.approx(2 * musiclm(base), rel=0.01)
    assert held["fine stage"] == pytest.approx(
        4 * soundstorm(base.soundstorm), rel=0.01
    )
    assert held["preference"] == pytest.approx(4 * preference(base), rel=0.01)
    # BERT-base in words and a transformer over audio: 2 x 12 layers of 12 width^2.
    assert held["mulan"] >= 4 * (2 * 12 * 12 * 768**2 + 30522 * 768)


def test_the_sum_is_of_networks_and_of_the_program_that_takes_most(base):
    held = {
        x: plan_actor.size_of(tree) for x, tree in plan_actor.networks(base).items()
    }
    rewarded = held["codec"] + held["mulan"] + held["quality"]
    programs = {
        "sample": needs(arguments=held["policy"] + 100, temporaries=10**10, code=7),
        "rewards": needs(arguments=rewarded + 10, outputs=5, temporaries=20, code=3),
    }
    row = plan_actor.plan(base, HOST, programs)
    assert row.held == held | {"policy": 2 * held["policy"]}
    # A newer policy comes in float32 and is then cast to bfloat16.
    assert row.working == {
        "sample": 10**10 + 100,
        "rewards": 35,
        "newer policy": 3 * held["policy"],
    }
    assert row.peak == sum(held.values()) + held["policy"] + 10**10 + 100 + 10
    assert row.fields()["held_bytes"] == row.held


def test_the_base_actor_with_all_its_networks_fits_a_v5e_host(base):
    """With the temporaries that both programs were compiled to (BENCHMARKS.md)."""
    programs = {
        "sample": needs(arguments=152 * 10**7, temporaries=19 * 10**8),
        "rewards": needs(arguments=6 * 10**8, temporaries=125 * 10**7),
    }
    row = plan_actor.plan(base, HOST, programs)
    assert row.fits
    assert row.peak >= 28 * 10**8 + 4 * musiclm(base)
    less = dataclasses.replace(row, working={"sample": 20 * 10**9})
    assert not less.fits
    assert less.advice.endswith("Lower ActorConfig.clips, or leave a network out.")


def test_the_sum_is_told_where_both_programs_were_planned(monkeypatch):
    made = plan.Row(
        program="",
        topology=HOST,
        clips=8,
        needs=needs(arguments=10**9),
        estimate=roofline.estimate(needs(flops=1.0), HOST.chip, 1.0),
        parameters=1,
        tokens=1,
        mesh={"data": 8},
    )
    monkeypatch.setattr(
        plan, "plan", lambda _, program: dataclasses.replace(made, program=program)
    )

    def planned(*programs):
        rows = plan.run(plan_config.PlanConfig(programs=programs))
        return [row.fields()["program"] for row in rows]

    assert planned() == ["update", "sample", "rewards", "actor"]
    assert planned("rewards", "sample") == ["rewards", "sample", "actor"]
    assert planned("update", "sample") == ["update", "sample"]
