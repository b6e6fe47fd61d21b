"""What the evaluator leaves of each measurement: numbers, clips, the policy itself."""

import dataclasses
import itertools
import json
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from musicrl_jax.audio import waveform
from musicrl_jax.checkpoints import weights
from musicrl_jax.core import arrays, protocols
from musicrl_jax.evaluation import evaluator as evaluators
from musicrl_jax.evaluation import history, policy_choice
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.runs import pretrain_musiclm
from musicrl_jax.transport import keys
from musicrl_jax.transport import store as stores


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationRecords:
    """Writes measurements into a run's store.

    Attributes:
      store: of the run.
      metrics: takes the means of each step.
      policy: the network whose weights are measured.
      facts: what holds for all measurements.
      kl_budget: most nats per clip of a policy that is worth keeping.
      keep_policies: how many are kept; 0 keeps all.
      known: the evaluations of the run by step, those of earlier processes included.
    """

    store: stores.Store
    metrics: protocols.MetricWriter
    policy: musiclm.MusicLMPolicy
    facts: history.Facts
    kl_budget: float
    keep_policies: int
    known: dict[int, history.Evaluation]

    def add(
        self,
        step: int,
        digest: str,
        params: arrays.Params,
        measured: evaluators.Measurement,
    ) -> None:
        """Writes the measurement of the weights of a step, and looks for a turn.

        Raises:
          InputError: where the weights are not finite, or nothing can be written.
        """
        self._write_policy(step, params)
        self._write_samples(step, measured.waveforms)
        evaluation = history.Evaluation(
            step=step, digest=digest, row=measured.row, rewards=measured.rewards
        )
        history.write(self.store, evaluation)
        self.metrics.write(step, measured.row)
        self.known[step] = evaluation
        evaluations = [self.known[number] for number in sorted(self.known)]
        self._flag(evaluations)
        self._prune(evaluations)

    def _write_policy(self, step: int, params: arrays.Params) -> None:
        """Keeps the policy as a network's file, in full precision: it was measured."""
        described = pretrain_musiclm.described(self.policy.config, self.policy.layout)
        data = weights.weights_bytes(params, "musiclm", described, np.float32)
        history.replace(self.store, keys.policy_key(step), data)

    def _write_samples(self, step: int, waveforms: Float[np.ndarray, "kept n"]) -> None:
        for number, clip in enumerate(waveforms):
            data = waveform.flac_bytes(clip, self.facts.sample_rate_hz)
            history.replace(self.store, keys.sample_key(step, number), data)

    def _flag(self, evaluations: Sequence[history.Evaluation]) -> None:
        """Makes over-optimisation known to the learner, once."""
        flag = history.flag(evaluations, self.facts)
        if flag is not None:
            text = json.dumps(dataclasses.asdict(flag), indent=1)
            self.store.put_if_absent(keys.OVER_OPTIMISATION, text.encode())

    def _prune(self, evaluations: Sequence[history.Evaluation]) -> None:
        """Deletes policies that are neither the newest nor among the best."""
        present = set(self.store.list(keys.POLICIES))
        kept = [e for e in evaluations if keys.policy_key(e.step) in present]
        if not self.keep_policies or len(kept) <= self.keep_policies:
            return
        order = _by_worth(kept, evaluations, self.facts, self.kl_budget)
        worth = {keys.policy_key(step) for step in order[: self.keep_policies]}
        for key in present - worth:
            self.store.delete(key)


def _by_worth(
    kept: Sequence[history.Evaluation],
    evaluations: Sequence[history.Evaluation],
    facts: history.Facts,
    kl_budget: float,
) -> list[int]:
    """Returns the steps of kept policies: the newest, the best first, then the rest.

    `musicrl select` goes by held-out rewards, recipes by the total: the best by either
    rule take turns. The rest are those beyond the budget or after the turn, the newest
    first.
    """
    flag = history.flag(evaluations, facts)
    newest_first = sorted((e.step for e in kept), reverse=True)
    ranked = []
    for name in ("", history.TOTAL):
        rule = policy_choice.Rule(kl_budget=kl_budget, score=name, steps=newest_first)
        _, scores = policy_choice.score(evaluations, facts, name)
        found = policy_choice.rank(evaluations, scores, rule, flag)
        ranked.append([candidate.step for candidate in found])
    best = itertools.chain.from_iterable(zip(*ranked, strict=False))
    order = [newest_first[0], *best, *ranked[0], *ranked[1], *newest_first]
    return list(dict.fromkeys(order))


def make_facts(
    *,
    kl_ref: str,
    reward_weights: Mapping[str, float],
    captions: Sequence[str],
    sample_rate_hz: int,
    smoothing: int,
) -> history.Facts:
    """Returns what holds for all measurements of a run."""
    return history.Facts(
        kl_ref=kl_ref,
        trained={name: weight for name, weight in reward_weights.items() if weight},
        held_out=[name for name, weight in reward_weights.items() if not weight],
        sample_rate_hz=sample_rate_hz,
        captions=list(captions),
        smoothing=smoothing,
    )
