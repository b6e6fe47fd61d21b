"""The compiled update never holds the logits of all frames."""

import dataclasses
import re

import jax.numpy as jnp
import pytest

from musicrl_jax.core import layout as layouts
from musicrl_jax.core import trajectory
from musicrl_jax.learning import config as configs
from musicrl_jax.learning import divergence
from musicrl_jax.learning import state as states
from musicrl_jax.learning import update as updates

CLIPS, FRAMES, CHUNK, TOKENS, ENTRIES = 3, 20, 5, 2, 7


@dataclasses.dataclass(frozen=True)
class LinearPolicy:
    """The smallest policy with a state and a head."""

    layout: layouts.TokenLayout

    def frame_states(self, params, tokens, conditioning):
        return params["embedding"][tokens[..., 0]]

    def token_logits(self, params, states, tokens):
        return jnp.einsum("bfd,dqv->bfqv", states, params["head"])

    def init_cache(self, params, conditioning, num_frames):
        raise NotImplementedError

    def step(self, params, cache, previous, choose):
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class LinearValue:
    """A value with the shape of the tokens."""

    def values(self, params, tokens, conditioning):
        return params["value"][tokens]


def setup(chunk_frames):
    stream = layouts.Stream(name="coarse", codebook_size=ENTRIES, levels=TOKENS)
    config = configs.LearnerConfig(batch_clips=CLIPS, chunk_frames=chunk_frames)
    update = updates.Update(
        policy=LinearPolicy(layouts.TokenLayout(streams=(stream,))),
        value=LinearValue(),
        config=config,
    )
    params = {
        "embedding": jnp.ones((ENTRIES, 4)),
        "head": jnp.ones((4, TOKENS, ENTRIES)),
    }
    state = states.initial_state(params, {"value": jnp.ones(ENTRIES)}, config)
    shape = (CLIPS, FRAMES, TOKENS)
    batch = trajectory.TrajectoryBatch(
        tokens=jnp.zeros(shape, jnp.int32),
        conditioning=jnp.zeros((CLIPS, 2), jnp.int32),
        log_probs=jnp.zeros(shape),
        rewards=jnp.zeros(CLIPS),
    )
    return update, state, batch


def logit_frames(text):
    """Frames of every array of a program that is as wide as the logits."""
    width = TOKENS * ENTRIES
    frames = set()
    for match in re.finditer(r"f32\[([\d,]+)\]", text):
        sizes = [int(size) for size in match.group(1).split(",")]
        elements = 1
        for size in sizes:
            elements *= size
        if {ENTRIES, width} & set(sizes) and elements % (CLIPS * width) == 0:
            frames.add(elements // (CLIPS * width))
    return frames


@pytest.mark.parametrize("mode", ["update", "divergence"])
def test_no_array_holds_the_logits_of_more_than_a_chunk(mode):
    def program(chunk_frames):
        update, state, batch = setup(chunk_frames)
        if mode == "update":
            lowered = updates.Update.__call__.lower(update, state, batch)
        else:
            lowered = divergence.evaluate_kl.lower(
                update.policy, state.policy, state.reference, batch.tokens,
                batch.conditioning, 0.99, chunk_frames,
            )  # fmt: skip
        return logit_frames(lowered.compile().as_text())

    assert max(program(CHUNK)) == CHUNK
    # The search sees the full array where there is one.
    assert max(program(FRAMES)) == FRAMES
