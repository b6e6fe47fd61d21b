"""Clips of policies, with the traits that a simulated population has opinions on."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float, Key, UInt16

from musicrl_jax.acting import actor as actors
from musicrl_jax.core import arrays, errors, layout
from musicrl_jax.runs import network_files, pretrain_musiclm, run_config, system
from musicrl_jax.synthesis import musicality

ADHERENCE, QUALITY = "text_adherence", "quality"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TraitConfig:
    """How clips are made and heard.

    Attributes:
      networks: folder of networks; empty for the starter.
      quality_weights: of the quality estimator, whose score is a trait too; empty means
        the one beside the networks, if any.
      seconds: length of a clip.
      temperature: of sampling (paper, section 4.2).
      clips_per_call: clips made at a time, by one program.
    """

    networks: str = ""
    quality_weights: str = ""
    seconds: float = 30.0
    temperature: float = 0.99
    clips_per_call: int = 16

    def __post_init__(self) -> None:
        for name in ("temperature", "clips_per_call"):
            if not 0 < getattr(self, name) < math.inf:
                raise errors.InputError(
                    f"TraitConfig.{name} must be positive and finite; got "
                    f"{getattr(self, name)}. Set it so."
                )
        if not musicality.SHORTEST_SECONDS <= self.seconds < math.inf:
            raise errors.InputError(
                f"TraitConfig.seconds must be {musicality.SHORTEST_SECONDS:g} or more, "
                f"and finite, for musical qualities to show; got {self.seconds}."
            )

    @property
    def quality_file(self) -> pathlib.Path | None:
        """The quality estimator's weights, or None."""
        wanted = run_config.RewardConfig(quality_weights=self.quality_weights)
        return network_files.quality(wanted, system.networks_directory(self.networks))

    @property
    def traits(self) -> tuple[str, ...]:
        """The names of a clip's traits, in the order of their axis."""
        quality = (QUALITY,) if self.quality_file else ()
        return (*musicality.NAMES, ADHERENCE, *quality)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TraitClips:
    """A batch of clips, on the host."""

    tokens: UInt16[np.ndarray, "b f q"]
    traits: Float[np.ndarray, "b traits"]


class TraitSampler:
    """Makes clips of policies that have one size, and measures their traits.

    Attributes:
      layout: of the clips' tokens.
      params: of each policy.
    """

    def __init__(self, config: TraitConfig, policies: Sequence[str] = ()) -> None:
        """Loads the networks; nothing is compiled yet.

        Args:
          config: how clips are made.
          policies: weights files; none for the one among the networks.

        Raises:
          InputError: where a file is missing or damaged, or the policies differ in
            size or layout.
        """
        folder = system.networks_directory(config.networks)
        paths = [pathlib.Path(path) for path in policies]
        paths = paths or [folder / "musiclm.safetensors"]
        loaded = [pretrain_musiclm.load(path) for path in paths]
        policy = loaded[0][0]
        for path, (other, _) in zip(paths, loaded, strict=True):
            if other != policy:
                raise errors.InputError(
                    f"Policies that are compared must have one size; {path} has "
                    f"another than {paths[0]}. Compare runs of one theta_0."
                )
        self.layout: layout.TokenLayout = policy.layout
        self.params: list[arrays.Params] = [params for _, params in loaded]
        sound = system.Sound(folder, policy)
        reward = run_config.RewardConfig(
            text_adherence=1.0,
            quality=1.0 if config.quality_file else 0.0,
            quality_weights=config.quality_weights,
        )
        self._config = config
        self._rate = sound.sample_rate_hz
        self._actor = actors.Actor(
            condition=sound.condition,
            sample=system.Sampler(
                policy=policy,
                num_frames=policy.layout.num_frames(config.seconds),
                temperature=config.temperature,
            ),
            render=sound.render_coarse,
            reward=system.make_reward(reward, sound),
        )

    def __call__(
        self, policy: int, captions: Sequence[str], keys: Key[Array, " b"]
    ) -> TraitClips:
        """Makes one clip for each caption.

        Args:
          policy: number of the policy.
          captions: at most `clips_per_call`; fewer are made up for, so that one
            program serves all calls.
          keys: of the clips; a clip depends on its policy, caption and key alone.
        """
        count = len(captions)
        rows = np.arange(self._config.clips_per_call) % count
        texts = [captions[int(row)] for row in rows]
        made = self._actor.act(self.params[policy], texts, keys[rows])
        heard = dict(musicality.measure(made.waveform[:count], self._rate))
        heard[ADHERENCE] = made.scores[ADHERENCE][:count]
        for name in made.scores.keys() - {"total", ADHERENCE}:
            # The estimator of simulated raters has another name for it.
            heard[QUALITY] = made.scores[name][:count]
        columns = [heard[name] for name in self._config.traits]
        return TraitClips(
            tokens=made.tokens[:count].astype(np.uint16),
            traits=np.stack(columns, axis=1).astype(np.float32),
        )
