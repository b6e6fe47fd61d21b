"""The programs that a plan compiles: those of a run, over shapes instead of arrays."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from musicrl_jax.core import arrays, errors, sharding, trajectory
from musicrl_jax.learning import state as states
from musicrl_jax.learning import update as updates
from musicrl_jax.models.mulan import adapter as mulan
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.models.quality import adapter as quality
from musicrl_jax.models.soundstorm import adapter as soundstorm
from musicrl_jax.models.soundstorm import config as soundstorm_config
from musicrl_jax.models.soundstream import adapter as soundstream
from musicrl_jax.rewards import quality as quality_reward
from musicrl_jax.rewards import text_adherence
from musicrl_jax.runs import plan_config
from musicrl_jax.sampling import loop, renderer

DType = Any
Abstract = Any
"""A shape and dtype in an array's place."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """A program that can be compiled.

    Attributes:
      traced: traces it; `.lower().compile()` then gives it to the compiler.
      arguments: shapes of what it is given, with how they lie on the mesh.
      clips: in one run.
      parameters: of the networks that it applies.
      mesh: chips along each axis.
    """

    traced: Callable[[], jax.stages.Traced]
    arguments: arrays.Tree
    clips: int
    parameters: int
    mesh: Mapping[str, int]


def build(
    config: plan_config.PlanConfig, program: str, mesh: sharding.AnyMesh
) -> Program:
    """Returns a program of a run over the devices of `mesh`; see `mesh_of`.

    Raises:
      InputError: where clips cannot be dealt out evenly.
    """
    make = {"update": _update, "sample": _sample, "rewards": _rewards}[program]
    return make(config, mesh)


def mesh_of(config: plan_config.PlanConfig, program: str) -> sharding.MeshConfig:
    """Returns the learner's mesh, or an actor's, which deals clips out."""
    return config.mesh if program == "update" else sharding.MeshConfig(data=-1)


def mesh_text(mesh: Mapping[str, int]) -> str:
    """Returns the axes of a mesh that are longer than 1, such as "fsdp 16"."""
    return ", ".join(f"{axis} {size}" for axis, size in mesh.items() if size > 1) or "1"


def _update(config: plan_config.PlanConfig, mesh: sharding.AnyMesh) -> Program:
    policy = musiclm.make_policy(config.musiclm, config.layout)
    value = musiclm.make_value(config.musiclm, config.layout)
    learner = config.learner
    _check_deal(learner.batch_clips, learner.microbatches, mesh)

    def first(key: Array) -> states.LearnerState:
        return states.initial_state(policy.init(key), value.init(key), learner)

    state = _laid(jax.eval_shape(first, jax.random.key(0)), mesh)
    batch = jax.eval_shape(functools.partial(_batch, config))
    place = sharding.batch_sharding(mesh)
    batch = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), batch
    )
    update = updates.Update(policy=policy, value=value, config=learner, mesh=mesh)
    return Program(
        traced=lambda: updates.Update.__call__.trace(update, state, batch),
        arguments=(state, batch),
        clips=learner.batch_clips,
        parameters=_count(state.policy),
        mesh=mesh.shape,
    )


def _batch(config: plan_config.PlanConfig) -> trajectory.TrajectoryBatch:
    """Returns clips of zeros; only their shapes are used."""
    clips = config.learner.batch_clips
    tokens = jnp.zeros(
        (clips, config.frames, config.layout.tokens_per_frame), jnp.int32
    )
    return trajectory.TrajectoryBatch(
        tokens=tokens,
        conditioning=jnp.zeros((clips, config.musiclm.conditioning_tokens), jnp.int32),
        log_probs=jnp.zeros(tokens.shape),
        rewards=jnp.zeros(clips),
        lags=jnp.zeros(clips, jnp.int32),
    )


def _sample(config: plan_config.PlanConfig, mesh: sharding.AnyMesh) -> Program:
    policy = musiclm.make_policy(config.musiclm, config.layout)
    dtype = jnp.dtype(config.musiclm.dtype)
    params = _whole(policy.abstract_params(), mesh, dtype)
    clips = config.actor.clips
    _check_deal(clips, 1, mesh)
    conditioning = _clips(mesh, clips, (config.musiclm.conditioning_tokens,), jnp.int32)
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), clips))
    keys = jax.ShapeDtypeStruct(
        keys.shape, keys.dtype, sharding=sharding.batch_sharding(mesh)
    )

    def traced() -> jax.stages.Traced:
        with sharding.on(mesh):
            return loop.sample.trace(
                policy,
                params,
                conditioning,
                keys,
                config.frames,
                config.learner.temperature,
            )

    return Program(
        traced=traced,
        arguments=(params, conditioning, keys),
        clips=clips,
        parameters=_count(params),
        mesh=mesh.shape,
    )


def _rewards(config: plan_config.PlanConfig, mesh: sharding.AnyMesh) -> Program:
    """Returns rendering and scoring of one packet of an actor's clips."""
    clips = config.actor.clips
    _check_deal(clips, 1, mesh)
    embedder = mulan.make_mulan(config.mulan)
    estimator = quality.make_estimator(config.quality)
    fine = _fine_stage(config)
    shapes = {
        "codec": soundstream.abstract_params(config.codec),
        "mulan": embedder.abstract_params(),
        "quality": estimator.abstract_params(),
    }
    if fine is not None:
        shapes["fine stage"] = fine.abstract_params()
    params = _whole(shapes, mesh)
    render = renderer.Renderer(
        layout=config.layout, codec=soundstream.make_codec(config.codec), fine=fine
    )
    text = _clips(mesh, clips, (config.mulan.embedding,), jnp.float32)
    tokens = _clips(
        mesh, clips, (config.frames, config.layout.tokens_per_frame), jnp.int32
    )

    @jax.jit
    def score(
        params: arrays.Params,
        tokens: Int[Array, "b f q"],
        text: Float[Array, "b e"],
    ) -> tuple[Array, Array]:
        heard = render(params["codec"], tokens, params.get("fine stage"))
        return (
            text_adherence.score(embedder, params["mulan"], text, heard),
            quality_reward.score(estimator, params["quality"], heard),
        )

    def traced() -> jax.stages.Traced:
        with sharding.on(mesh):
            return score.trace(params, tokens, text)

    return Program(
        traced=traced,
        arguments=(params, tokens, text),
        clips=clips,
        parameters=_count(params),
        mesh=mesh.shape,
    )


def _fine_stage(config: plan_config.PlanConfig) -> soundstorm.SoundStorm | None:
    """Returns what adds the fine levels that rewards hear, where they do."""
    if not config.actor.fine_levels or config.soundstorm is None:
        return None
    return soundstorm.make_soundstorm(
        config.soundstorm, soundstorm_config.DecodingConfig()
    )


def _clips(
    mesh: sharding.AnyMesh,
    clips: int,
    shape: tuple[int, ...],
    dtype: DType,
) -> Abstract:
    place = sharding.batch_sharding(mesh)
    return jax.ShapeDtypeStruct((clips, *shape), dtype, sharding=place)


def _laid(tree: arrays.Tree, mesh: sharding.AnyMesh) -> arrays.Tree:
    """Returns shapes laid out as the learner lays its state."""
    return jax.tree.map(
        lambda leaf, place: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=place
        ),
        tree,
        sharding.tree_shardings(tree, mesh),
    )


def _whole(
    tree: arrays.Tree,
    mesh: sharding.AnyMesh,
    dtype: DType = None,
) -> arrays.Tree:
    """Returns shapes that every chip holds whole, in an actor's dtype."""
    place = NamedSharding(mesh, PartitionSpec())
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(
            leaf.shape, dtype or leaf.dtype, sharding=place
        ),
        tree,
    )


def _count(tree: arrays.Tree) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def _check_deal(clips: int, parts: int, mesh: sharding.AnyMesh) -> None:
    """Refuses a batch that does not give each chip as many clips as the others."""
    hands = parts * math.prod(mesh.shape[x] for x in sharding.RULES["clips"])
    if clips % hands:
        raise errors.InputError(
            f"Clips must be a multiple of {hands}, for each chip to have as many in "
            f"each part; got {clips}. Set LearnerConfig.batch_clips, .microbatches or "
            "ActorConfig.clips."
        )
