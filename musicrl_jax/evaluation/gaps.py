"""Prompts and rewards that over-optimisation was not looked for in, in words."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from musicrl_jax.evaluation import history, over_optimisation


def words(
    evaluations: Sequence[history.Evaluation], facts: history.Facts
) -> tuple[str, ...]:
    """Returns what was left out of the search for over-optimisation, and why.

    One sentence a reward, and one where none was left; nothing where no reward is
    watched, or no scores by prompt are known.
    """
    _, scores = history.compared(evaluations, facts)
    trained = scores.pop(history.TOTAL, None)
    if trained is None or not scores:
        return ()
    usable = over_optimisation.usable_prompts(trained, scores)
    lacking = {"the trained reward": ~over_optimisation.finite(trained)}
    lacking |= {name: ~over_optimisation.finite(x) for name, x in scores.items()}
    found = [
        _sentence(name, gap, bool(usable) and (name in usable or name not in scores))
        for name, gap in lacking.items()
        if gap.any()
    ]
    if not usable:
        found.append(
            "Over-optimisation was not looked for: no watched reward has finite scores "
            f"for half of the prompts, and {over_optimisation.LEAST_PROMPTS} or more."
        )
    return tuple(found)


def _sentence(name: str, gap: Bool[np.ndarray, " prompts"], kept: bool) -> str:
    outcome = "was looked for in the others" if kept else "was not looked for in it"
    return (
        f"Prompts for which {name} has a score that is not finite: {int(gap.sum())} of "
        f"{len(gap)}; over-optimisation {outcome}."
    )
