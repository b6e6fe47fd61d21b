"""PlanConfig: what `musicrl plan` plans, and for which chips."""

import dataclasses
import math

from musicrl_jax.acting import config as acting_config
from musicrl_jax.core import errors, sharding
from musicrl_jax.core import layout as layouts
from musicrl_jax.learning import config as learning_config
from musicrl_jax.models.mulan import config as mulan_config
from musicrl_jax.models.musiclm import config as musiclm_config
from musicrl_jax.models.preference import config as preference_config
from musicrl_jax.models.quality import config as quality_config
from musicrl_jax.models.soundstorm import config as soundstorm_config
from musicrl_jax.models.soundstream import config as soundstream_config
from musicrl_jax.planning import chips, lowered, tpu_topology

PROGRAMS = ("update", "sample", "rewards")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanConfig:
    """What to plan, and for which chips.

    Attributes:
      topology: of the learner, such as v5e:4x4; GPUs and CPUs by number, as h100:8.
        Of a job of several slices (`MeshConfig.slices`), that of one slice.
      actor_topology: of one actor; empty for one host of the learner's chips.
      programs: any of "update", "sample", "rewards"; empty for all.
      clip_seconds: length of the clips.
      layout: of the tokens.
      musiclm: sizes of policy, value and reference.
      mulan: of the text-adherence reward.
      quality: of the quality reward.
      preference: heads of the preference reward, on a trunk of the policy's sizes;
        None for an actor without. It counts in what an actor holds.
      soundstorm: the fine stage, likewise; `ActorConfig.fine_levels` needs it.
      codec: that renders clips.
      learner: batch and its parts.
      actor: clips sampled at a time.
      mesh: the learner's; up to 16 chips over `fsdp` by default, groups over `data`.
    """

    topology: str = "v5e:4x4"
    actor_topology: str = ""
    programs: tuple[str, ...] = ()
    clip_seconds: float = 30.0
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
    preference: preference_config.PreferenceConfig | None = None
    soundstorm: soundstorm_config.SoundStormConfig | None = None
    codec: soundstream_config.SoundStreamConfig = dataclasses.field(
        default_factory=soundstream_config.SoundStreamConfig
    )
    learner: learning_config.LearnerConfig = dataclasses.field(
        default_factory=learning_config.LearnerConfig
    )
    actor: acting_config.ActorConfig = dataclasses.field(
        default_factory=acting_config.ActorConfig
    )
    mesh: sharding.MeshConfig = dataclasses.field(
        default_factory=lambda: sharding.MeshConfig(data=-1, fsdp=-1)
    )

    def __post_init__(self) -> None:
        if not 1 / self.layout.frame_rate_hz <= self.clip_seconds < math.inf:
            raise errors.InputError(
                "PlanConfig.clip_seconds must last at least a frame and be finite; got "
                f"{self.clip_seconds:g}. Set 30.0."
            )
        unknown = set(self.programs) - set(PROGRAMS)
        if unknown:
            raise errors.InputError(
                f"PlanConfig.programs are of {PROGRAMS}; got {self.programs}. Name "
                "some of these, or none for all."
            )
        names = [name for name in (self.topology, self.actor_topology) if name]
        if len({_compiled(name) for name in names}) > 1:
            raise errors.InputError(
                "PlanConfig.topology and .actor_topology must both be of TPUs or both "
                f"of GPUs or CPUs; got {' and '.join(names)}. Plan them apart."
            )
        if _compiled(self.topology):
            chips.parse(self.topology, self.mesh.slices)
            if self.actor_topology:
                tpu_topology.parse(self.actor_topology, one_host_for="actor")
        if self.actor.fine_levels and self.soundstorm is None:
            raise errors.InputError(
                "ActorConfig.fine_levels needs a fine stage; got PlanConfig.soundstorm="
                "None. Set it, or fine_levels to False."
            )

    @property
    def frames(self) -> int:
        """Frames of a clip."""
        return self.layout.num_frames(self.clip_seconds)


def _compiled(topology: str) -> bool:
    """Tells slices of TPUs, which are compiled for, from other devices.

    Raises:
      InputError: there is no such topology.
    """
    if lowered.parse(topology) is not None:
        return False
    kind = topology.partition(":")[0]
    if kind not in chips.CHIPS:
        raise errors.InputError(
            f"A topology is of {', '.join(chips.CHIPS)}, as in v5e:4x4, or of "
            f"{', '.join(lowered.GPUS)} or cpu, as in h100:8; got {topology!r}. Write "
            "one of these."
        )
    chips.parse(topology)
    return True
