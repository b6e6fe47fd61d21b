"""What `musicrl bench` times: the parts of a run, with random weights and clips."""

import dataclasses
import math
import tempfile
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from musicrl_jax.acting import config as acting_config
from musicrl_jax.checkpoints import manager, reader
from musicrl_jax.core import arrays, errors, sharding, trajectory
from musicrl_jax.core import layout as layouts
from musicrl_jax.learning import config as learning_config
from musicrl_jax.learning import state as states
from musicrl_jax.learning import update as updates
from musicrl_jax.models.codec import adapter as codec
from musicrl_jax.models.codec import config as codec_config
from musicrl_jax.models.mulan import adapter as mulan
from musicrl_jax.models.mulan import config as mulan_config
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.models.musiclm import config as musiclm_config
from musicrl_jax.models.musiclm import objective
from musicrl_jax.models.quality import adapter as quality
from musicrl_jax.models.quality import config as quality_config
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import step as steps
from musicrl_jax.rewards import quality as quality_reward
from musicrl_jax.rewards import text_adherence
from musicrl_jax.runs import musiclm_flops, policy_source, system
from musicrl_jax.sampling import renderer

PARTS = ("sample", "update", "pretrain", "rewards", "sync")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """What is measured.

    Attributes:
      part: one of `PARTS`.
      layout: of the tokens.
      musiclm: sizes of policy, value and reference.
      mulan: of the text-adherence reward.
      quality: of the quality reward.
      codec: that renders clips.
      learner: the update; its `batch_clips` are a supervised step's too.
      actor: its `clips` are sampled and scored at a time.
      clip_seconds: length of the clips.
      repeats: timed runs.
      mesh: of the update and the supervised step.
    """

    part: str = "sample"
    layout: layouts.TokenLayout = dataclasses.field(
        default_factory=musiclm_config.make_layout
    )
    musiclm: musiclm_config.MusicLMConfig = dataclasses.field(
        default_factory=musiclm_config.MusicLMConfig
    )
    mulan: mulan_config.MulanConfig = dataclasses.field(
        default_factory=mulan_config.MulanConfig
    )
    quality: quality_config.QualityConfig = dataclasses.field(
        default_factory=quality_config.QualityConfig
    )
    codec: codec_config.CodecConfig = dataclasses.field(
        default_factory=codec_config.CodecConfig
    )
    learner: learning_config.LearnerConfig = dataclasses.field(
        default_factory=learning_config.LearnerConfig
    )
    actor: acting_config.ActorConfig = dataclasses.field(
        default_factory=acting_config.ActorConfig
    )
    clip_seconds: float = 5.0
    repeats: int = 5
    mesh: sharding.MeshConfig = dataclasses.field(default_factory=sharding.MeshConfig)

    def __post_init__(self) -> None:
        lasting = 0 < self.clip_seconds < math.inf
        if self.part not in PARTS or self.repeats < 1 or not lasting:
            raise errors.InputError(
                f"BenchConfig.part is one of {', '.join(PARTS)}, with repeats and "
                f"finite clip_seconds above 0; got {self.part!r}, {self.repeats} and "
                f"{self.clip_seconds}."
            )

    @property
    def frames(self) -> int:
        """Frames of a clip."""
        return self.layout.num_frames(self.clip_seconds)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """What is timed.

    Attributes:
      call: does it once and returns what to wait for.
      clips: in one call.
      useful_flops: of one call; 0 where no closed form is kept.
    """

    call: Callable[[], arrays.Tree]
    clips: int
    useful_flops: float = 0.0


def _forward(config: BenchConfig) -> musiclm_flops.ClipFlops:
    return musiclm_flops.forward(
        config.musiclm, config.layout, config.frames, scored="seen"
    )


def _clips(config: BenchConfig, clips: int) -> dict[str, Array]:
    """Returns random tokens and conditioning of clips."""
    first, second = jax.random.split(jax.random.key(1))
    shape = (clips, config.frames, config.layout.tokens_per_frame)
    least = min(stream.codebook_size for stream in config.layout.streams)
    sizes = config.musiclm
    return {
        "tokens": jax.random.randint(first, shape, 0, least),
        "conditioning": jax.random.randint(
            second, (clips, sizes.conditioning_tokens), 0, sizes.conditioning_size
        ),
    }


def sample(config: BenchConfig) -> Work:
    """Draws clips for random conditioning, as an actor does."""
    policy = musiclm.make_policy(config.musiclm, config.layout)
    value = musiclm.make_value(config.musiclm, config.layout)
    params = jax.jit(policy.init)(jax.random.key(0))
    language = system.Language(policy=policy, value=value, params=params)
    params = system.acting(language).params
    clips = config.actor.clips
    given = _clips(config, clips)["conditioning"]
    keys = jax.random.split(jax.random.key(2), clips)
    forward = _forward(config)
    draw = system.Sampler(policy=policy, num_frames=config.frames, temperature=0.99)

    def call() -> arrays.Tree:
        return draw(params, np.asarray(given), keys)

    useful = clips * (forward.trunk + forward.heads)
    return Work(call=call, clips=clips, useful_flops=useful)


def update(config: BenchConfig) -> Work:
    """Does one update of policy and value on random clips."""
    policy = musiclm.make_policy(config.musiclm, config.layout)
    value = musiclm.make_value(config.musiclm, config.layout)
    learner, mesh = config.learner, sharding.make_mesh(config.mesh)
    params = jax.jit(policy.init)(jax.random.key(0))
    start = musiclm.value_params_from(params, 0.0)
    state = [states.initial_state(params, start, learner, mesh)]
    clips = learner.batch_clips
    made = _clips(config, clips)
    batch = trajectory.TrajectoryBatch(
        tokens=made["tokens"],
        conditioning=made["conditioning"],
        log_probs=jnp.full(made["tokens"].shape, -5.0),
        rewards=jnp.linspace(0.0, 1.0, clips),
        lags=jnp.zeros(clips, jnp.int32),
    )
    batch = jax.device_put(batch, sharding.batch_sharding(mesh))
    update = updates.Update(policy=policy, value=value, config=learner, mesh=mesh)

    def call() -> arrays.Tree:
        state[0], numbers = update(state[0], batch)
        return state[0], numbers

    learned = learner.baseline == "value"
    useful = clips * musiclm_flops.update(_forward(config), remat=False, value=learned)
    return Work(call=call, clips=clips, useful_flops=useful)


def pretrain(config: BenchConfig) -> Work:
    """Does one supervised step on random clips."""
    mesh = sharding.make_mesh(config.mesh)
    trainer = objective.MusicLMObjective(config=config.musiclm, layout=config.layout)
    step = steps.PretrainStep(
        objective=trainer,
        config=pretrain_config.PretrainConfig(steps=1_000_000, mesh=config.mesh),
        mesh=mesh,
    )
    root = jax.random.key(0)
    state = [step.init(root)]
    clips = config.learner.batch_clips
    made = _clips(config, clips)
    tokens = jnp.pad(made["tokens"], ((0, 0), (1, 0), (0, 0)))
    batch = made | {"tokens": tokens, "offset": jnp.zeros(clips, jnp.int32)}
    batch = jax.device_put(batch, sharding.batch_sharding(mesh))

    def call() -> arrays.Tree:
        state[0], numbers = step(state[0], batch, root)
        return state[0], numbers

    forward = _forward(config)
    useful = 3 * clips * (forward.trunk + forward.heads)
    return Work(call=call, clips=clips, useful_flops=useful)


def rewards(config: BenchConfig) -> Work:
    """Renders random tokens and scores them."""
    decoder = codec.make_codec(config.codec)
    embedder = mulan.make_mulan(config.mulan)
    estimator = quality.make_estimator(config.quality)
    shapes = (
        codec.abstract_params(config.codec),
        embedder.abstract_params(),
        estimator.abstract_params(),
    )
    random = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: jnp.asarray(random.normal(0, 0.05, leaf.shape), leaf.dtype), shapes
    )
    clips = config.actor.clips
    tokens = _clips(config, clips)["tokens"]
    text = jnp.ones((clips, config.mulan.embedding)) / config.mulan.embedding**0.5
    render = renderer.Renderer(layout=config.layout, codec=decoder)

    def call() -> arrays.Tree:
        heard = render(params[0], tokens)
        return (
            text_adherence.score(embedder, params[1], text, heard),
            quality_reward.score(estimator, params[2], heard),
        )

    return Work(call=call, clips=clips)


def sync(config: BenchConfig) -> Work:
    """Saves the learner's policy, reads it back as an actor does, and samples."""
    policy = musiclm.make_policy(config.musiclm, config.layout)
    params = jax.jit(policy.init)(jax.random.key(0))
    folder = tempfile.mkdtemp(prefix="musicrl_bench_")
    store = manager.CheckpointStore(folder, 0, keep=5)
    number = [0]
    value = musiclm.make_value(config.musiclm, config.layout)
    language = system.Language(policy=policy, value=value, params=params)
    abstract = policy_source.abstract_tree(system.acting(language).params)
    draw = system.Sampler(policy=policy, num_frames=config.frames, temperature=0.99)
    made = _clips(config, config.actor.clips)["conditioning"]
    keys = jax.random.split(jax.random.key(2), config.actor.clips)

    def call() -> arrays.Tree:
        number[0] += 1
        digest = store.save(number[0], {"policy": params}, {})
        store.wait()
        identity = reader.CheckpointId(epoch=0, step=number[0])
        read = reader.CheckpointReader(folder).restore_policy(
            identity, digest, abstract
        )
        return draw(read, np.asarray(made), keys)

    return Work(call=call, clips=config.actor.clips)
