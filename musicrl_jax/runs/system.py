"""The pretrained networks of one directory, ready to turn captions into music."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.acting import actor as actors
from musicrl_jax.core import arrays, dealing, errors, protocols, sharding, trajectory
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.rewards import (
    combine,
    loudness,
    preference,
    quality,
    text_adherence,
)
from musicrl_jax.runs import (
    codecs,
    network_files,
    own_rewards,
    pretrain_mulan,
    pretrain_musiclm,
    pretrain_preference,
    pretrain_quality,
    pretrain_soundstorm,
)
from musicrl_jax.runs import run_config as run_configs
from musicrl_jax.sampling import loop, renderer

Place = Callable[[arrays.Params], arrays.Params]
TRAIN_CAPTIONS = "captions_train.jsonl"
HELD_OUT_PROMPTS = "prompts_held_out.json"
MUSICLM = "musiclm.safetensors"
SOUNDSTORM = "soundstorm.safetensors"

networks_directory = network_files.directory


def captions_file(config: run_configs.RunConfig) -> pathlib.Path:
    """Returns the caption file of a run: its own, or the one beside the networks."""
    if config.captions:
        return pathlib.Path(config.captions)
    return networks_directory(config.networks) / TRAIN_CAPTIONS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Language:
    """The policy, theta_0, and the baseline of the same sizes."""

    policy: musiclm.MusicLMPolicy
    value: musiclm.MusicLMValue
    params: arrays.Params


def policy_file(directory: pathlib.Path, policy: str = "") -> pathlib.Path:
    """Returns the weights file `policy`, or where it is empty the networks' own."""
    return pathlib.Path(policy) if policy else directory / MUSICLM


def load_language(directory: pathlib.Path, policy_weights: str = "") -> Language:
    """Reads the policy, `musiclm.safetensors` unless another file is given.

    All that a learner needs.
    """
    policy, params = pretrain_musiclm.load(policy_file(directory, policy_weights))
    value = musiclm.make_value(policy.config, policy.layout)
    return Language(policy=policy, value=value, params=params)


def acting(language: Language) -> Language:
    """Returns the policy as an actor holds it.

    Whole on each of its devices, which share the clips, and in the dtype that it
    computes in: it would be cast to that at each step anyhow.
    """
    dtype = jax.numpy.dtype(language.policy.config.dtype)
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), language.params)
    return dataclasses.replace(language, params=dealing.everywhere(params))


class Sound:
    """Codec, fine stage and embedder: captions to conditioning, tokens to waveform."""

    def __init__(
        self,
        directory: pathlib.Path,
        policy: protocols.Policy,
        place: Place = dealing.here,
    ) -> None:
        """Reads codec and MuLan, and SoundStorm where it lies beside them.

        Args:
          directory: of the networks.
          policy: whose tokens are rendered.
          place: puts parameters on devices, those of rewards too, such as
            `dealing.everywhere`.

        Raises:
          InputError: where a file is missing or damaged, or SoundStorm was trained for
            another codec or other coarse levels.
        """
        self.directory = directory
        self.place = place
        self.codec, codec_params = codecs.load(directory / "codec.safetensors")
        self._codec_params = place(codec_params)
        self.embedder, embedder_params, self.tokenizer = pretrain_mulan.load(
            directory / "mulan.safetensors"
        )
        self.embedder_params = place(embedder_params)
        self._coarse = renderer.Renderer(layout=policy.layout, codec=self.codec)
        self._full, self._fine_params = self._coarse, None
        if (directory / SOUNDSTORM).is_file():
            fine, fine_params = pretrain_soundstorm.load(
                directory / SOUNDSTORM, self.codec.config
            )
            self._fine_params = place(fine_params)
            self._full = dataclasses.replace(self._coarse, fine=fine)

    @property
    def sample_rate_hz(self) -> int:
        """Samples in a second of `render`'s waveforms."""
        return self.codec.sample_rate_hz

    @property
    def has_fine(self) -> bool:
        """Whether `render` adds fine levels."""
        return self._fine_params is not None

    def condition(self, captions: Sequence[str]) -> Int[np.ndarray, "b k"]:
        """Returns the MuLan tokens of captions."""
        ids = self.tokenizer.encode(list(captions))
        return np.asarray(_text_codes(self.embedder, self.embedder_params, ids))

    def render(self, tokens: Int[Array, "b f q"]) -> Float[Array, "b n"]:
        """Returns the waveform of clips for listeners: with fine levels, if any."""
        return self._full(self._codec_params, tokens, self._fine_params)

    def render_coarse(self, tokens: Int[Array, "b f q"]) -> Float[Array, "b n"]:
        """Returns the waveform of the coarse levels alone, which takes less time."""
        return self._coarse(self._codec_params, tokens)

    def timed(self, *, fine: bool) -> renderer.TimedRenderer:
        """Returns `render`, or `render_coarse`, that says how long its parts took."""
        if fine:
            return renderer.TimedRenderer(
                self._full, self._codec_params, self._fine_params
            )
        return renderer.TimedRenderer(self._coarse, self._codec_params)


@functools.partial(jax.jit, static_argnums=0)
def _text_codes(
    embedder: protocols.JointEmbedder, params: arrays.Params, ids: Int[Array, "b w"]
) -> Int[Array, "b k"]:
    return embedder.quantize(params, embedder.embed_text(params, ids))


def make_adherence(sound: Sound) -> text_adherence.TextAdherenceReward:
    """Returns the MuLan score."""
    return text_adherence.TextAdherenceReward(
        embedder=sound.embedder,
        params=sound.embedder_params,
        tokenizer=sound.tokenizer,
    )


def make_reward(
    config: run_configs.RewardConfig, sound: Sound, *, watch: bool = False
) -> combine.LinearReward:
    """Returns the weighted sum of rewards that a run trains on.

    Args:
      config: weights, and the files of the networks.
      sound: of the run's networks.
      watch: whether rewards of weight 0 are scored, too, where their network is given:
        they keep their names and add nothing to the total.

    Raises:
      InputError: where a reward's network or class cannot be read or does not fit.
    """
    parts = []
    if config.text_adherence or watch:
        adherence = make_adherence(sound)
        weight = config.text_adherence
        parts = [combine.Part(name="text_adherence", reward=adherence, weight=weight)]
    estimator = network_files.quality(config, sound.directory)
    if estimator is not None and (config.quality or watch):
        rate = sound.sample_rate_hz
        parts.append(quality_part(estimator, config.quality, rate, sound.place))
    model = network_files.preference(config, sound.directory)
    if model is not None and (config.preference or watch):
        parts.append(preference_part(model, config.preference, sound))
    if config.loudness:
        parts.append(loudness.make_part(config.loudness))
    parts += own_rewards.make_parts(config.extra, watch=watch)
    return combine.LinearReward(parts)


def preference_part(path: pathlib.Path, weight: float, sound: Sound) -> combine.Part:
    """Returns the term of the user-preference score.

    Raises:
      InputError: where the model cannot be read.
    """
    model, params = pretrain_preference.load(path)
    reward = preference.PreferenceReward(
        model=model, params=sound.place(params), condition=sound.condition
    )
    return combine.Part(name=reward.name, reward=reward, weight=weight)


def quality_part(
    path: pathlib.Path,
    weight: float,
    sample_rate_hz: int,
    place: Place = dealing.here,
) -> combine.Part:
    """Returns the term of the quality score, for waveforms of a sample rate.

    Raises:
      InputError: where the estimator cannot be read or was made for another rate.
    """
    estimator, params = pretrain_quality.load(path)
    if estimator.sample_rate_hz != sample_rate_hz:
        raise errors.InputError(
            f"The quality estimator must hear the codec's {sample_rate_hz} Hz; {path} "
            f"is for {estimator.sample_rate_hz} Hz. Train one for this rate."
        )
    reward = quality.QualityReward(estimator=estimator, params=place(params))
    return quality.make_part(reward, weight)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampler:
    """The compiled sampling loop of one policy, clip length and temperature."""

    policy: protocols.Policy
    num_frames: int
    temperature: float

    def __call__(
        self,
        params: arrays.Params,
        conditioning: Int[np.ndarray, "b k"],
        keys: Key[Array, " b"],
    ) -> trajectory.Generation:
        """Samples one clip for each row of `conditioning`.

        Clips are dealt out over the devices that hold the parameters.
        """
        with sharding.on(dealing.mesh_of(params)):
            return loop.sample(
                self.policy,
                params,
                dealing.beside(params, jax.numpy.asarray(conditioning)),
                dealing.beside(params, keys),
                self.num_frames,
                self.temperature,
            )


def make_actor(
    config: run_configs.RunConfig,
    language: Language,
    sound: Sound,
    *,
    watch: bool = False,
) -> actors.Actor:
    """Returns what actors and the evaluator of a run do with captions.

    Args:
      config: of the run.
      language: the policy.
      sound: of the run's networks.
      watch: whether rewards of weight 0 are scored, too; see `make_reward`.

    Raises:
      InputError: where rewards should hear fine levels and there is no SoundStorm.
    """
    if config.actor.fine_levels and not sound.has_fine:
        raise errors.InputError(
            f"ActorConfig.fine_levels needs {SOUNDSTORM} beside the networks; there is "
            "none. Train one with `musicrl pretrain soundstorm`, or switch it off."
        )
    return actors.Actor(
        condition=sound.condition,
        sample=Sampler(
            policy=language.policy,
            num_frames=language.policy.layout.num_frames(config.clip_seconds),
            temperature=config.learner.temperature,
        ),
        render=sound.timed(fine=config.actor.fine_levels),
        reward=make_reward(config.reward, sound, watch=watch),
    )
