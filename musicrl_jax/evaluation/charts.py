"""Which curves a report shows, and what each says."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from musicrl_jax.evaluation import comparison, facts, figures, history

CAPTIONS = {
    "reward_and_kl": (
        "Reward and KL against the update. Training is the mean reward of the clips "
        "that an update used; held out is the evaluator's, on fresh samples of prompts "
        "that are never trained on. KL is exact, per clip, against the starting model."
    ),
    "costs": (
        "What the reward cost. Left, held-out reward against distance from the first "
        "model: a curve that flattens or turns down is over-optimisation. Right, the "
        "entropy of the policy's choices by stream: a fall towards 0 would mean that "
        "the policy repeats itself."
    ),
    "pairs": (
        "Each point is one prompt with one seed; above the diagonal the clip scores "
        "better after fine-tuning."
    ),
    "lag_and_waiting": (
        "How old clips were when they were used, and which share of their time learner "
        "and actors waited for one another."
    ),
}


def draw(
    found: comparison.Comparison, run: facts.RunFacts, kl: Mapping[str, float]
) -> dict[str, bytes]:
    """Returns PNGs by the names of `CAPTIONS`; those without data are left out."""
    reward = found.before.rewards["total"], found.after.rewards["total"]
    origins = [comparison.GROUPS[prompt.origin] for prompt in found.prompts]
    pictures = {
        "reward_and_kl": figures.curves([_reward(run), _kl(run, kl["budget"])]),
        "pairs": _pairs(*reward, origins, "reward"),
        "lag_and_waiting": lag_and_waiting(run),
    }
    if run.evaluator:
        pictures["costs"] = figures.curves([_reward_against_kl(run), _entropy(run)])
    return pictures


def lag_and_waiting(run: facts.RunFacts) -> bytes:
    """Returns a PNG of how old clips were, and of who waited how long."""
    return figures.curves([_lag(run), _waiting(run)])


def _line(label: str, rows: facts.Rows, name: str, *, points: bool) -> figures.Line:
    x, y = facts.column(rows, name)
    return figures.Line(label=label, x=x, y=y, points=points)


def _pairs(
    before: Float[np.ndarray, " b"],
    after: Float[np.ndarray, " b"],
    groups: Sequence[str],
    label: str,
) -> bytes:
    """Returns a PNG with one point a prompt: after against before."""
    points = [
        figures.Line(
            label=name,
            x=before[[group == name for group in groups]].tolist(),
            y=after[[group == name for group in groups]].tolist(),
            points=True,
            line=False,
        )
        for name in dict.fromkeys(groups)
    ]
    low = float(min(before.min(), after.min()))
    high = float(max(before.max(), after.max()))
    same = figures.Line(label="no change", x=(low, high), y=(low, high))
    panel = figures.Panel(
        title="Each prompt, same seed before and after",
        x_label=f"{label} before",
        y_label=f"{label} after",
        lines=[*points, same],
    )
    return figures.curves([panel])


def _reward(run: facts.RunFacts) -> figures.Panel:
    return figures.Panel(
        title="Reward",
        x_label="update",
        y_label=history.sum_of(run.trained),
        lines=[
            _line("training", run.learner, "reward/mean", points=False),
            _line("held out", run.evaluator, "reward/total", points=True),
        ],
    )


def _kl(run: facts.RunFacts, budget: float) -> figures.Panel:
    return figures.Panel(
        title="Distance from the starting model",
        x_label="update",
        y_label="KL in nats per clip",
        lines=[
            _line("training", run.learner, "kl/sequence", points=False),
            _line("held out", run.evaluator, "kl/sequence", points=True),
        ],
        limit=(budget, "budget"),
    )


def _reward_against_kl(run: facts.RunFacts) -> figures.Panel:
    rows = [row for row in run.evaluator if {"kl/sequence", "reward/total"} <= set(row)]
    return figures.Panel(
        title="Held-out reward against KL",
        x_label="KL in nats per clip",
        y_label=history.sum_of(run.trained),
        lines=[
            figures.Line(
                label="",
                x=[row["kl/sequence"] for row in rows],
                y=[row["reward/total"] for row in rows],
                points=True,
            )
        ],
    )


def _lag(run: facts.RunFacts) -> figures.Panel:
    mean = _line("mean", run.learner, "lag/mean", points=False)
    oldest = _line("oldest", run.learner, "lag/max", points=False)
    # A batch of one packet has one age, and one line would hide the other.
    same = (mean.x, mean.y) == (oldest.x, oldest.y)
    both = dataclasses.replace(mean, label="mean and oldest, the same")
    return figures.Panel(
        title="Age of the clips in a batch",
        x_label="update",
        y_label="updates since they were sampled",
        lines=[both] if same else [mean, oldest],
    )


def _waiting(run: facts.RunFacts) -> figures.Panel:
    lines = [_line("learner", run.learner, "time/wait_share", points=False)]
    for name, rows in run.actors.items():
        x, y = facts.column(rows, "time/wait_share")
        # Trajectories are counted per actor; spread them over the run's updates.
        last = max(x[-1], 1.0) if x else 1.0
        spread = [run.steps * value / last for value in x]
        lines.append(figures.Line(label=name, x=spread, y=y))
    return figures.Panel(
        title="Share of time spent waiting, so far",
        x_label="update",
        y_label="share",
        lines=lines,
    )


def _entropy(run: facts.RunFacts) -> figures.Panel:
    rows = run.evaluator or run.learner
    names = sorted(
        {name for row in rows for name in row if name.startswith("entropy/")}
    )
    return figures.Panel(
        title="Entropy of the policy",
        x_label="update",
        y_label="nats per token",
        lines=[
            _line(name.removeprefix("entropy/"), run.evaluator, name, points=True)
            for name in names
        ],
    )
