"""What the evaluator measures on one set of weights: fresh samples, fixed prompts.

The same captions and keys are used for every publication, so that two rows of the
metric file differ by the policy alone.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.acting import actor as actors
from musicrl_jax.audio import levels
from musicrl_jax.core import arrays, layout
from musicrl_jax.evaluation import scores

Divergence = Callable[
    [arrays.Params, Int[Array, "b f q"], Int[Array, "b k"]],
    tuple[Float[Array, " b"], Float[Array, " q"]],
]
Embed = Callable[[Float[np.ndarray, "b n"]], Float[np.ndarray, "b e"]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measurement:
    """What was measured on one set of weights.

    Attributes:
      row: means under path names; `reward/NAME/se` is the standard error over prompts,
        `clips_rejected` the number of clips of which some number is not finite.
      rewards: by name, the mean of each prompt's finite scores; NaN for none.
      waveforms: the first clip of each of the first prompts, to be kept.
    """

    row: Mapping[str, float]
    rewards: Mapping[str, Float[np.ndarray, " prompts"]]
    waveforms: Float[np.ndarray, "kept n"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluator:
    """Measures policies.

    Attributes:
      actor: samples and scores, as the actors of the run do, and scores the rewards
        that are only watched too.
      divergence: exact KL per clip to the reference, entropy per position.
      embed: clips to vectors; None measures no diversity.
      captions: the fixed prompts.
      keys: one for each clip of each prompt.
      clips: clips sampled at a time; divides the number of prompts.
      keep_audio: prompts whose first clip is kept.
      layout: of the tokens.
      sample_rate_hz: of the waveforms.
    """

    actor: actors.Actor
    divergence: Divergence
    embed: Embed | None = None
    captions: tuple[str, ...]
    keys: Key[Array, "clips prompts"]
    clips: int
    keep_audio: int = 0
    layout: layout.TokenLayout
    sample_rate_hz: int

    def measure(self, params: arrays.Params) -> Measurement:
        """Returns rewards, KL in nats, entropy, diversity, silence and the like."""
        passes = [
            self._measure_pass(params, number) for number in range(len(self.keys))
        ]
        rewards = {
            name: finite_mean(np.stack([done.scores[name] for done in passes]))
            for name in passes[0].scores
        }
        means = {
            name: float(np.mean([done.means[name] for done in passes]))
            for name in passes[0].means
        }
        vectors = [done.vectors for done in passes if done.vectors is not None]
        if len(vectors) > 1:
            means["diversity"] = pairwise_distance(np.stack(vectors, axis=1))
        means["clips_rejected"] = float(sum(done.rejected for done in passes))
        return Measurement(
            row=_reward_rows(rewards) | means,
            rewards=rewards,
            waveforms=passes[0].waveforms,
        )

    def _measure_pass(self, params: arrays.Params, number: int) -> "_Pass":
        """Makes and measures one clip of each prompt."""
        batches = [
            self._measure_batch(params, number, slice(start, start + self.clips))
            for start in range(0, len(self.captions), self.clips)
        ]
        return _joined(batches, self.keep_audio)

    def _measure_batch(
        self, params: arrays.Params, number: int, part: slice
    ) -> "_Pass":
        scored = self.actor.act(params, self.captions[part], self.keys[number, part])
        kl, entropy = self.divergence(
            params, jnp.asarray(scored.tokens), jnp.asarray(scored.conditioning)
        )
        tokens_per_clip = scored.tokens.shape[1] * scored.tokens.shape[2]
        sequence = float(np.mean(np.asarray(kl)))
        return _Pass(
            scores=scored.scores,
            rejected=int(np.sum(~scored.usable())),
            means={
                "kl/sequence": sequence,
                "kl/token": sequence / tokens_per_clip,
                **self._entropies(np.asarray(entropy)),
                **self._audio(scored.waveform),
                "tokens/repetition": float(scores.repetition(scored.tokens).mean()),
            },
            vectors=None if self.embed is None else self.embed(scored.waveform),
            waveforms=scored.waveform,
        )

    def _entropies(self, entropy: Float[np.ndarray, " q"]) -> dict[str, float]:
        return {
            f"entropy/{stream.name}": float(
                np.mean(entropy[self.layout.positions(stream.name)])
            )
            for stream in self.layout.streams
        }

    def _audio(self, waveform: Float[np.ndarray, "b n"]) -> dict[str, float]:
        silence = [levels.silence_share(clip, self.sample_rate_hz) for clip in waveform]
        clipping = [levels.clipping_share(clip) for clip in waveform]
        return {
            "audio/silence_share": float(np.mean(silence)),
            "audio/clipping_share": float(np.mean(clipping)),
            "audio/level_dbfs": float(np.mean([levels.rms_dbfs(x) for x in waveform])),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Pass:
    """One clip of each of some prompts."""

    scores: Mapping[str, Float[np.ndarray, " b"]]
    rejected: int
    means: Mapping[str, float]
    vectors: Float[np.ndarray, "b e"] | None
    waveforms: Float[np.ndarray, "kept n"]


def _joined(batches: Sequence[_Pass], keep: int) -> _Pass:
    """Returns equally large batches as one, with the first `keep` waveforms."""
    first = batches[0]
    vectors = [batch.vectors for batch in batches if batch.vectors is not None]
    return _Pass(
        scores={
            name: np.concatenate([batch.scores[name] for batch in batches])
            for name in first.scores
        },
        rejected=sum(batch.rejected for batch in batches),
        means={
            name: float(np.mean([batch.means[name] for batch in batches]))
            for name in first.means
        },
        vectors=np.concatenate(vectors) if vectors else None,
        waveforms=np.concatenate([batch.waveforms for batch in batches])[:keep],
    )


def finite_mean(scores: Float[np.ndarray, "clips b"]) -> Float[np.ndarray, " b"]:
    """Returns the mean of each column's finite scores, NaN for a column without any."""
    finite = np.isfinite(scores)
    counts = finite.sum(axis=0)
    sums = np.sum(np.where(finite, scores, 0), axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def pairwise_distance(vectors: Float[np.ndarray, "prompts clips e"]) -> float:
    """Returns the mean cosine distance between two clips of one prompt, in [0, 2].

    0 where all clips of each prompt are alike, 1 where they have nothing in common.
    """
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit = vectors / np.maximum(length, 1e-12)
    count = unit.shape[1]
    cosines = np.einsum("pce,pde->pcd", unit, unit)
    others = cosines.sum(axis=(1, 2)) - np.trace(cosines, axis1=1, axis2=2)
    return float(np.mean(1 - others / (count * (count - 1))))


def _reward_rows(
    rewards: Mapping[str, Float[np.ndarray, " prompts"]],
) -> dict[str, float]:
    """Returns the mean of each reward, and its standard error from 2 prompts on.

    Prompts without a finite score are left out; a reward without any is NaN.
    """
    row: dict[str, float] = {}
    for name, found in rewards.items():
        values = found[np.isfinite(found)]
        row[f"reward/{name}"] = float(np.mean(values)) if len(values) else float("nan")
        if len(values) > 1:
            error = np.std(values, ddof=1) / np.sqrt(len(values))
            row[f"reward/{name}/se"] = float(error)
    return row
