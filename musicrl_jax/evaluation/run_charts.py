"""The paper's curves for one or several runs: rewards against KL and against steps.

A run keeps its colour, dash and marker over all panels. A black cross is the checkpoint
that a run started from: at its own beginning, and on the curve of its reference where
that is drawn too.
"""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence

from musicrl_jax.evaluation import bars, figures, history, over_optimisation
from musicrl_jax.evaluation import facts as metric_facts

START = "start of a run with another reference"
TURN = "over-optimisation from here"
SELECTED = "selected"
# Cross within square within ring, so that all three may stand on one point.
SYMBOLS = {START: ("x", 7.0), SELECTED: ("s", 11.0), TURN: ("o", 16.0)}
PARTS_WITHIN = {"render": ("fine", "decode"), "score": ("reward/",)}
LEAST_SHARE = 0.005
KL = "kl/sequence"
ENTROPY = "entropy/"
# The title of what is measured, and its unit.
COURSES = {
    "diversity": ("Diversity", "cosine distance of clips of a prompt"),
    "audio/silence_share": ("Silence", "share of silent frames"),
    "audio/clipping_share": ("Clipping", "share of clipped samples"),
    "tokens/repetition": ("Repetition", "share of repeated tokens"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunCurves:
    """What is drawn of one run.

    Attributes:
      name: in legends.
      kl_ref: the policy that its KL is measured against.
      own_reference: whether that is another run's policy, not the common base.
      facts: which rewards are trained.
      evaluations: by step.
      flag: its over-optimisation, if any.
      selected_step: the policy that was chosen, None where none was.
      actors: last row of each actor's metrics.
    """

    name: str
    kl_ref: str
    own_reference: bool
    facts: history.Facts
    evaluations: Sequence[history.Evaluation]
    flag: over_optimisation.Flag | None = None
    selected_step: int | None = None
    actors: Sequence[Mapping[str, float]] = ()


def reward_names(runs: Sequence[RunCurves]) -> list[str]:
    """Returns the rewards that any run measured, the trained sum last.

    Parts of parts, such as `quality/first`, are left out.
    """
    found = dict.fromkeys(
        name.removeprefix("reward/")
        for run in runs
        for evaluation in run.evaluations
        for name in evaluation.row
        if name.startswith("reward/") and not name.endswith("/se")
    )
    own = [name for name in found if name != history.TOTAL and "/" not in name]
    total = history.TOTAL in found and any(len(r.facts.trained) > 1 for r in runs)
    return [*own, *([history.TOTAL] if total or not own else [])]


def reward_against_kl(runs: Sequence[RunCurves]) -> list[figures.Panel]:
    """Returns a panel a reward (figures 4 and 5 of the paper)."""
    return [
        _panel(runs, f"reward/{name}", _title(runs, name), kl=True)
        for name in reward_names(runs)
    ]


def reward_against_step(runs: Sequence[RunCurves]) -> list[figures.Panel]:
    """Returns a panel a reward (figures 7 and 8 of the paper)."""
    return [
        _panel(runs, f"reward/{name}", _title(runs, name), kl=False)
        for name in reward_names(runs)
    ]


def courses(runs: Sequence[RunCurves]) -> list[figures.Panel]:
    """Returns what else was measured against the step."""
    names = {
        name
        for run in runs
        for evaluation in run.evaluations
        for name in evaluation.row
    }
    entropies = {
        name: (f"Entropy of {name.removeprefix(ENTROPY)} tokens", "nats per token")
        for name in sorted(names)
        if name.startswith(ENTROPY)
    }
    labels = {KL: ("Distance from the reference", kl_label(runs))} | COURSES | entropies
    return [
        dataclasses.replace(_panel(runs, name, title, kl=False), y_label=label)
        for name, (title, label) in labels.items()
        if name in names
    ]


def _title(runs: Sequence[RunCurves], name: str) -> str:
    """Returns what a panel shows: of a sum that all runs are trained on, its parts."""
    if name != history.TOTAL:
        return f"{name} ({_trained_by(runs, name)})"
    if len({run.facts.total for run in runs}) == 1:
        return f"what is trained: {runs[0].facts.total}"
    return "what each run is trained on, its own sum"


def _panel(
    runs: Sequence[RunCurves], name: str, title: str, *, kl: bool
) -> figures.Panel:
    """Returns a panel with the runs that measured `name`, each in its own style."""
    lines = []
    named = kl or not _one_reference(runs)
    for style, run in enumerate(runs):
        shown = [e for e in run.evaluations if name in e.row]
        lines.append(
            figures.Line(
                label=_label(run, kl=named) if shown else "",
                x=[e.kl if kl else float(e.step) for e in shown],
                y=[e.row[name] for e in shown],
                errors=_errors(shown, name),
                points=True,
                style=style,
            )
        )
    return figures.Panel(
        title=title,
        x_label=kl_label(runs) if kl else "step",
        y_label=name.rpartition("/")[2],
        lines=lines,
        marks=[mark for run in runs for mark in _marks(run, runs, name, kl=kl)],
    )


def kl_label(runs: Sequence[RunCurves]) -> str:
    """Returns the name of the KL axis, with the reference where there is but one."""
    if _one_reference(runs):
        return f"KL from {runs[0].kl_ref}, nats per clip"
    return "KL from each run's reference, nats per clip"


def _one_reference(runs: Sequence[RunCurves]) -> bool:
    return len({run.kl_ref for run in runs}) == 1


def _label(run: RunCurves, *, kl: bool) -> str:
    return f"{run.name} (KL from {run.kl_ref})" if kl else run.name


def _trained_by(runs: Sequence[RunCurves], name: str) -> str:
    """Returns the runs that are trained on a reward, in words."""
    found = [run.name for run in runs if name in run.facts.trained]
    if not found:
        return "held out"
    return "trained" if len(found) == len(runs) else f"trained by {', '.join(found)}"


def _errors(shown: Sequence[history.Evaluation], name: str) -> list[float]:
    if not all(f"{name}/se" in e.row for e in shown):
        return []
    return [e.row[f"{name}/se"] for e in shown]


def _marks(
    run: RunCurves, runs: Sequence[RunCurves], name: str, *, kl: bool
) -> list[figures.Mark]:
    """Returns where a run starts, turns and was selected."""
    found = []
    if run.own_reference and run.evaluations:
        found.append((START, run, run.evaluations[0].step))
        parents = [other for other in runs if other.name == run.kl_ref]
        found += [(START, p, p.selected_step) for p in parents]
    if run.flag is not None:
        found.append((TURN, run, run.flag.step))
    if run.selected_step is not None:
        found.append((SELECTED, run, run.selected_step))
    return [
        figures.Mark(
            label=label,
            x=e.kl if kl else float(e.step),
            y=e.row[name],
            symbol=SYMBOLS[label][0],
            size=SYMBOLS[label][1],
        )
        for label, of, step in found
        for e in of.evaluations
        if e.step == step and name in e.row
    ]


def time_shares(run: RunCurves) -> bars.StackedBar | None:
    """Returns where the time of a run's actors went, mean over actors.

    Rendering and scoring are shown by their parts where these were timed; what is less
    than `LEAST_SHARE` is part of "else".
    """
    if not run.actors:
        return None
    shares: dict[str, float] = {}
    for row in run.actors:
        for name, share in row.items():
            if name.startswith("time/") and name.endswith("_share"):
                part = name.removeprefix("time/").removesuffix("_share")
                shares[part] = shares.get(part, 0.0) + share / len(run.actors)
    for whole, parts in PARTS_WITHIN.items():
        inner = [name for name in shares if name.startswith(parts)]
        if inner and whole in shares:
            left = shares.pop(whole) - sum(shares[name] for name in inner)
            shares[f"{whole}, else"] = max(left, 0.0)
    large = {name: share for name, share in shares.items() if share >= LEAST_SHARE}
    large["else"] = max(0.0, 1.0 - sum(large.values()))
    return bars.StackedBar(
        label=run.name, shares=dict(sorted(large.items(), key=_order))
    )


_ORDER = ("wait", "sample", "fine", "decode", "render", "reward/", "score", "else")


def _order(item: tuple[str, float]) -> tuple[int, str]:
    """Returns a place in the order in which an actor does its work."""
    name = item[0]
    places = [i for i, start in enumerate(_ORDER) if name.startswith(start)]
    return (places[0] if places else len(_ORDER), name)


def waits(run: metric_facts.RunFacts) -> dict[str, str]:
    """Returns who waited for whom, as words."""
    return {
        "updates": str(run.steps),
        "learner waited": f"{run.learner_wait_share:.1%}",
        "actors waited": f"{run.actor_wait_share:.1%}",
        "oldest clip used, updates": str(run.max_staleness),
    }


def as_csv(panels: Sequence[figures.Panel]) -> str:
    """Returns all points and marks of panels as CSV."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        ["panel", "x_label", "y_label", "curve", "kind", "x", "y", "standard_error"]
    )
    for panel in panels:
        for line in panel.lines:
            for place, (x, y) in enumerate(zip(line.x, line.y, strict=True)):
                error = f"{line.errors[place]:.6g}" if len(line.errors) else ""
                head = (panel.title, panel.x_label, panel.y_label, line.label)
                table.writerow([*head, "curve", f"{x:.6g}", f"{y:.6g}", error])
        for mark in panel.marks:
            head = (panel.title, panel.x_label, panel.y_label, "")
            table.writerow([*head, mark.label, f"{mark.x:.6g}", f"{mark.y:.6g}", ""])
    return text.getvalue()
