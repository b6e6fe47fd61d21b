"""What was measured of a run, step by step, as objects beside its metric files.

A metric file has means; an `Evaluation` has the score of each prompt too, which paired
comparisons need. Both are written by the evaluator alone.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from musicrl_jax.core import errors
from musicrl_jax.evaluation import over_optimisation
from musicrl_jax.transport import json_objects, keys
from musicrl_jax.transport import store as stores

FACTS = "config/evaluator.json"
_KINDS = {
    "kl_ref": str,
    "trained": dict,
    "held_out": list,
    "sample_rate_hz": int,
    "captions": list,
    "smoothing": int,
}
TOTAL = "total"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """What holds for all measurements of a run.

    Attributes:
      kl_ref: the name of the policy that KL is measured against.
      trained: rewards with a weight, by name.
      held_out: rewards that are measured and not trained on.
      sample_rate_hz: of the clips that are kept.
      captions: the held-out prompts, in the order of the scores.
      smoothing: of the search for over-optimisation.
    """

    kl_ref: str
    trained: Mapping[str, float]
    held_out: Sequence[str]
    sample_rate_hz: int = 0
    captions: Sequence[str] = ()
    smoothing: int = 2

    @property
    def total(self) -> str:
        """What the trained sum consists of, such as "text_adherence + 0.5 quality"."""
        return sum_of(self.trained)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was measured on the weights of one step.

    Attributes:
      step: of the learner.
      digest: of the weights.
      row: the means, as in the metric file.
      rewards: by name, one score a prompt; empty where only means are known.
    """

    step: int
    digest: str
    row: Mapping[str, float]
    rewards: Mapping[str, Float[np.ndarray, " prompts"]]

    @property
    def kl(self) -> float:
        """Nats per clip to the reference."""
        return self.row["kl/sequence"]

    def to_bytes(self) -> bytes:
        """Returns the object that stands for it."""
        fields = {
            "step": self.step,
            "digest": self.digest,
            "row": dict(self.row),
            "rewards": {name: x.tolist() for name, x in self.rewards.items()},
        }
        return json.dumps(fields).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Evaluation":
        """Returns the evaluation in `data`.

        Raises:
          InvariantError: where `data` is none.
        """
        try:
            fields = json.loads(data)
            return cls(
                step=int(fields["step"]),
                digest=str(fields["digest"]),
                row={name: float(x) for name, x in fields["row"].items()},
                rewards={
                    name: np.asarray(x, np.float64)
                    for name, x in fields["rewards"].items()
                },
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise errors.InvariantError(
                f"An evaluation cannot be read ({error}). Delete it; a running "
                "evaluator measures newer weights."
            ) from error


def sum_of(weights: Mapping[str, float]) -> str:
    """Returns a weighted sum of rewards in words; "reward" where it is not known."""
    terms = (
        name if weight == 1 else f"{weight:g} {name}"
        for name, weight in weights.items()
    )
    return " + ".join(terms) or "reward"


def write_facts(store: stores.Store, facts: Facts) -> None:
    """Writes what holds for all measurements, once."""
    data = json.dumps(dataclasses.asdict(facts), indent=1, ensure_ascii=False)
    store.put_if_absent(FACTS, data.encode())


def read_facts(store: stores.Store, run_dir: str) -> Facts | None:
    """Returns what `write_facts` wrote, None for a run without an evaluator's facts.

    Raises:
      InputError: where the file is broken; it names it.
    """
    return json_objects.read(
        store,
        (run_dir, FACTS),
        _checked,
        f"Put it back, or delete it and start `musicrl evaluator --run_dir {run_dir}`.",
    )


def _checked(fields: dict[str, Any]) -> Facts:
    """Returns the facts of fields; an error where they are unsuitable."""
    if unknown := fields.keys() - _KINDS.keys():
        raise ValueError(f"it has unknown fields {sorted(unknown)}")
    json_objects.check(fields, _KINDS, needed=("kl_ref", "trained", "held_out"))
    json_objects.check(fields["trained"], dict.fromkeys(fields["trained"], float))
    texts = [*fields["held_out"], *fields.get("captions", ())]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("held_out and captions must be lists of text")
    if fields.get("smoothing", 1) < 1:
        raise ValueError(f"smoothing must be at least 1; got {fields['smoothing']}")
    return Facts(**fields)


def write(store: stores.Store, evaluation: Evaluation) -> None:
    """Writes an evaluation; one of the same step is replaced."""
    replace(store, keys.evaluation_key(evaluation.step), evaluation.to_bytes())


def replace(store: stores.Store, key: str, data: bytes) -> None:
    """Writes an object of which this process is the only writer."""
    store.delete(key)
    store.put_if_absent(key, data)


def read(store: stores.Store) -> tuple[Evaluation, ...]:
    """Returns the evaluations of a run, by step."""
    found = {key: store.get(key) for key in store.list(keys.EVALUATIONS)}
    return tuple(
        _evaluation(key, data) for key, data in found.items() if data is not None
    )


def _evaluation(key: str, data: bytes) -> Evaluation:
    try:
        return Evaluation.from_bytes(data)
    except errors.InvariantError as error:
        raise errors.InvariantError(f"{key}: {error}") from error


def flag(
    evaluations: Sequence[Evaluation], facts: Facts
) -> over_optimisation.Flag | None:
    """Returns the first over-optimisation among evaluations; None for none.

    Only those count whose prompts' scores are known, and rewards that all of them have
    and that have enough finite scores; `gaps.words` says what does not count.
    """
    steps, scores = compared(evaluations, facts)
    if not steps:
        return None
    trained = scores.pop(TOTAL)
    return over_optimisation.find(steps, trained, scores, smoothing=facts.smoothing)


def compared(
    evaluations: Sequence[Evaluation], facts: Facts
) -> tuple[list[int], dict[str, Float[np.ndarray, "steps prompts"]]]:
    """Returns the steps that over-optimisation is looked for in, and their scores.

    The scores of each reward, the trained sum first, have a row for each step.
    """
    known = [evaluation for evaluation in evaluations if TOTAL in evaluation.rewards]
    if not known:
        return [], {}
    held_out = [n for n in facts.held_out if all(n in e.rewards for e in known)]
    scores = {n: np.stack([e.rewards[n] for e in known]) for n in (TOTAL, *held_out)}
    return [evaluation.step for evaluation in known], scores
