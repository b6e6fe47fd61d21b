"""What the evaluator measures on one set of weights: fresh samples, fixed prompts.

The same captions and keys are used for every publication, so that two rows of the
metric file differ by the policy alone.
"""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.acting import actor as actors
from musicrl_jax.audio import levels
from musicrl_jax.core import arrays, layout

Divergence = Callable[
    [arrays.Params, Int[Array, "b f q"], Int[Array, "b k"]],
    tuple[Float[Array, " b"], Float[Array, " q"]],
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluator:
    """Measures policies.

    Attributes:
      actor: samples and scores, as the actors of the run do.
      divergence: exact KL per clip to the reference, entropy per position.
      captions: the fixed prompts.
      keys: one for each prompt.
      clips: clips sampled at a time; divides the number of prompts.
      layout: of the tokens.
      sample_rate_hz: of the waveforms.
    """

    actor: actors.Actor
    divergence: Divergence
    captions: tuple[str, ...]
    keys: Key[Array, " b"]
    clips: int
    layout: layout.TokenLayout
    sample_rate_hz: int

    def measure(self, params: arrays.Params) -> dict[str, float]:
        """Returns mean rewards, KL in nats, entropy per stream, silence, clipping."""
        rows = [
            self._measure_batch(params, slice(start, start + self.clips))
            for start in range(0, len(self.captions), self.clips)
        ]
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def _measure_batch(self, params: arrays.Params, part: slice) -> dict[str, float]:
        scored = self.actor.act(params, self.captions[part], self.keys[part])
        kl, entropy = self.divergence(
            params, jnp.asarray(scored.tokens), jnp.asarray(scored.conditioning)
        )
        tokens_per_clip = scored.tokens.shape[1] * scored.tokens.shape[2]
        sequence = float(np.mean(np.asarray(kl)))
        return {
            **{
                f"reward/{name}": float(np.mean(score))
                for name, score in scored.scores.items()
            },
            "kl/sequence": sequence,
            "kl/token": sequence / tokens_per_clip,
            **self._entropies(np.asarray(entropy)),
            **self._audio(scored.waveform),
        }

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
        }
