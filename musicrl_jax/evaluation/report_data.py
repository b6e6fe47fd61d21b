"""All that a report shows."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from musicrl_jax.evaluation import comparison, facts, summary


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """One prompt to listen to: the same seed before and after.

    Attributes:
      index: of the prompt in the comparison.
      seed: number of the prompt's random key.
    """

    index: int
    seed: int
    before: Float[np.ndarray, " n"]
    after: Float[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reference:
    """A recording that no network was trained on, and what the codec makes of it."""

    title: str
    recording: Float[np.ndarray, " n"]
    codec: Float[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportData:
    """All that a report shows.

    Attributes:
      title: of the page.
      comparison: before against after.
      facts: the metrics of the run.
      examples: prompts to listen to.
      references: what the codec does to real clips.
      real: scores of held-out recordings through the codec, the ceiling of the samples:
        names as in the comparison's rows.
      kl: `sequence` and `token` of the final policy in nats, and `budget`.
      seed: of the run.
      wall_seconds: of the whole demo.
      sample_rate_hz: of the waveforms.
      notes: what a reader has to know of the data, one paragraph each.
      settings: names and values worth showing.
    """

    title: str
    comparison: comparison.Comparison
    facts: facts.RunFacts
    examples: Sequence[Example]
    references: Sequence[Reference]
    real: Mapping[str, float]
    kl: Mapping[str, float]
    seed: int
    wall_seconds: float
    sample_rate_hz: int
    notes: Sequence[str]
    settings: Mapping[str, str]

    def lines(self, report: str) -> list[str]:
        """Returns the summary for the terminal."""
        return summary.lines(
            self.comparison,
            self.facts,
            kl=self.kl,
            wall_seconds=self.wall_seconds,
            report=report,
        )
