"""A policy and a value that are tables, small enough to enumerate every clip.

A node is the whole history of a clip, so that the optimum of each objective is known
exactly. Logits are `head[context, node] + trunk[context, node at the frame's start]`:
half of them enter through `frame_states` and half through `token_logits`, so a
gradient is right only if both paths are.
"""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from musicrl_jax.core import layout as layouts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tree:
    """The tree of histories of a layout's clips: who is whose child."""

    layout: layouts.TokenLayout
    frames: int
    contexts: int = 1

    @property
    def v(self):
        return self.layout.vocabulary_size

    @property
    def depth(self):
        return self.frames * self.layout.tokens_per_frame

    @property
    def num_nodes(self):
        return sum(self.v**depth for depth in range(self.depth))

    def child(self, node, token):
        """Node of a history with one more token (breadth-first numbering)."""
        return node * self.v + token + 1

    def nodes(self, tokens):
        """The node before each token, `[b, f, q]`."""
        flat = tokens.reshape(tokens.shape[0], -1)
        column = jnp.zeros(flat.shape[0], jnp.int32)
        columns = []
        for step in range(flat.shape[1]):
            columns.append(column)
            column = self.child(column, flat[:, step])
        return jnp.stack(columns, axis=1).reshape(tokens.shape)

    def clips(self):
        """Every clip there is: `[all, f, q]`."""
        sizes = self.layout.codebook_sizes * self.frames
        every = itertools.product(*(range(size) for size in sizes))
        shape = (-1, self.frames, self.layout.tokens_per_frame)
        return np.asarray(list(every), np.int32).reshape(shape)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TabularPolicy:
    """Implements `core.protocols.Policy` with tables."""

    tree: Tree

    @property
    def layout(self):
        return self.tree.layout

    def init(self, key, scale=1.0):
        shape = (self.tree.contexts, self.tree.num_nodes, self.tree.v)
        head, trunk = jax.random.split(key)
        return {
            "head": scale * jax.random.normal(head, shape),
            "trunk": scale * jax.random.normal(trunk, shape),
        }

    def frame_states(self, params, tokens, conditioning):
        starts = self.tree.nodes(tokens)[..., 0]
        context = jnp.broadcast_to(conditioning[:, :1], starts.shape)
        learned = params["trunk"][context, starts]
        where = jnp.stack([context, starts], axis=-1).astype(learned.dtype)
        return jnp.concatenate([where, learned], axis=-1)

    def token_logits(self, params, states, tokens):
        context, node = (jnp.round(states[..., i]).astype(jnp.int32) for i in (0, 1))
        # Frames that fill a chunk up start anywhere; keep their nodes in the table.
        logits = []
        for position in range(tokens.shape[-1]):
            node = jnp.minimum(node, self.tree.num_nodes - 1)
            logits.append(params["head"][context, node] + states[..., 2:])
            node = self.tree.child(node, tokens[..., position])
        valid = jnp.asarray(self.layout.valid_entries())
        return jnp.where(valid[None, None], jnp.stack(logits, axis=2), -1e30)

    def init_cache(self, params, conditioning, num_frames):
        return conditioning[:, 0], jnp.full(conditioning.shape[0], -1)

    def step(self, params, cache, previous, choose):
        context, start = cache
        for position in range(previous.shape[1]):
            start = jnp.where(
                start < 0, start, self.tree.child(start, previous[:, position])
            )
        start = jnp.maximum(start, 0)
        tokens, log_probs, node = [], [], start
        for position in range(previous.shape[1]):
            logits = params["head"][context, node] + params["trunk"][context, start]
            valid = jnp.asarray(self.layout.valid_entries()[position])
            token, log_prob = choose(
                jnp.where(valid[None], logits, -1e30), jnp.asarray(position)
            )
            tokens.append(token)
            log_probs.append(log_prob)
            node = self.tree.child(node, token)
        return (context, start), jnp.stack(tokens, 1), jnp.stack(log_probs, 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TabularValue:
    """Implements `core.protocols.ValueFunction` with a table."""

    tree: Tree

    def init(self, key=None, mean=0.0):
        shape = (self.tree.contexts, self.tree.num_nodes)
        noise = 0.0 if key is None else jax.random.normal(key, shape)
        return {"table": jnp.full(shape, mean) + noise}

    def values(self, params, tokens, conditioning):
        nodes = self.tree.nodes(tokens)
        return params["table"][
            jnp.broadcast_to(conditioning[:, :1, None], nodes.shape), nodes
        ]


def make_layout(*sizes):
    """A layout of one stream for each codebook size."""
    streams = tuple(
        layouts.Stream(name=f"stream{i}", codebook_size=size)
        for i, size in enumerate(sizes)
    )
    return layouts.TokenLayout(streams=streams)


@functools.lru_cache
def make_tree(sizes, frames, contexts=1):
    """The tree of `frames` frames of one token for each of `sizes`."""
    return Tree(layout=make_layout(*sizes), frames=frames, contexts=contexts)
