"""Studies with given outcomes; every number in them is made up."""

import numpy as np

from musicrl_jax.evaluation.studies import plan, ratings, table


def make_design(models=("base", "r", "u"), prompts=10, **fields):
    texts = tuple(f"prompt {number}" for number in range(prompts))
    return plan.Design(models=models, prompts=texts, **fields)


def rate(tasks, score):
    """Returns a rated pair for each task; `score` is called with (task, model)."""
    return [
        ratings.RatedPair(
            rater=task.rater,
            prompt=task.prompt,
            first=task.first,
            second=task.second,
            scores=(score(task, task.first), score(task, task.second)),
        )
        for task in tasks
    ]


def with_outcomes(design, outcomes, seed=0):
    """Returns a table in which pairs have the given (win, tie, loss).

    Args:
      design: the study.
      outcomes: for each of the design's pairs (a, b), of a.
      seed: of which ratings are which.
    """
    rng = np.random.default_rng(seed)
    rows = []
    tasks = plan.make_tasks(design)
    for pair, counts in outcomes.items():
        results = rng.permutation(np.repeat([1, 0, -1], counts))
        chosen = [task for task in tasks if {task.first, task.second} == set(pair)]
        for task, result in zip(chosen, results, strict=True):
            scores = {pair[0]: 3.0 + (result > 0), pair[1]: 3.0 + (result < 0)}
            rows += rate([task], lambda task, model, scores=scores: scores[model])
    return table.make_table(design.models, rows)


def with_mean_scores(found, sums):
    """Returns the table with scores moved, but no winner changed, to given sums.

    Losing scores of 3 go down to 2, winning ones of 4 go up to 5.
    """
    scores = found.scores.copy()
    for model, wanted in enumerate(sums):
        own = np.stack([found.first, found.second], axis=1) == model
        gap = int(wanted - scores[own].sum())
        lead = np.stack([found.lead, -found.lead], axis=1)
        free = np.argwhere(own & ((lead > 0) if gap > 0 else (lead < 0)))
        chosen = free[: abs(gap)]
        assert len(chosen) == abs(gap)
        scores[tuple(chosen.T)] += np.sign(gap)
    return table.Table(
        models=found.models,
        prompt=found.prompt,
        rater=found.rater,
        first=found.first,
        second=found.second,
        scores=scores,
    )
