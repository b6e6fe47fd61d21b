"""The report of one or several runs: one HTML file, and a PNG and CSV a figure."""

import csv
import dataclasses
import io
import math
import pathlib
from collections.abc import Mapping, Sequence

from musicrl_jax.core import errors
from musicrl_jax.evaluation import (
    bars,
    charts,
    figures,
    gaps,
    page,
    report_files,
    result_files,
    run_charts,
)
from musicrl_jax.evaluation import facts as metric_facts

CAPTIONS = {
    "reward_vs_kl": (
        "Rewards on held-out prompts against KL (figures 4 and 5 of the paper). Bands "
        "and bars are one standard error over prompts. A panel's title says whether "
        "runs were rewarded for it or whether it was only measured. The table above "
        "has what each run's sum consists of: its weights are of rewards as they are "
        "trained on, quality from 0 to 1; sums of runs with other rewards do not "
        "compare."
    ),
    "reward_vs_step": "The same rewards against the update (figures 7 and 8).",
    "courses": "What else was measured on the same clips.",
    "time_shares": (
        "Where the actors' time went, mean over the actors of a run. 'else' is loading "
        "weights, storing clips and starting up."
    ),
    "ablations": (
        "How often variants of the preference model tell the preferred clip (figure 6 "
        "of the paper). The 95 % intervals take choices on one prompt, or one pair, as "
        "a cluster."
    ),
    "study": (
        "Raters' choices between two models, from the first one's side (figure 1 of "
        "the paper); the win rate leaves ties out."
    ),
    "population": (
        "Choices of a SIMULATED population, a program with a hidden taste, between two "
        "models; no person listened."
    ),
}
OUTCOMES = {"win": 2, "tie": 6, "loss": 1}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """One held-out prompt by two models, the same seed, as FLAC files.

    Attributes:
      caption: the prompt.
      models: the names of the reference and of the later policy.
      before: the reference's clip.
      after: the later policy's clip.
      picture: PNG of both spectrograms.
    """

    caption: str
    models: tuple[str, str]
    before: bytes
    after: bytes
    picture: bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunPart:
    """What the report says of one run.

    Attributes:
      curves: what is drawn of it.
      metrics: of its processes; None where no metric files are at hand.
      chosen: the reason of `musicrl select`, empty where it saved none.
      examples: prompts to listen to.
      config: the resolved configuration.
    """

    curves: run_charts.RunCurves
    metrics: metric_facts.RunFacts | None
    chosen: str
    examples: Sequence[Example]
    config: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """All that a report shows.

    Attributes:
      runs: in the order of their colours.
      ablations: of the preference model.
      study: of raters; None for none.
      population: simulated; None for none.
    """

    runs: Sequence[RunPart]
    ablations: Sequence[result_files.Ablation] = ()
    study: result_files.Votes | None = None
    population: result_files.Votes | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chart:
    """A picture and its numbers."""

    png: bytes
    table: str


def write(directory: pathlib.Path, report: Report) -> pathlib.Path:
    """Writes `report.html` and `figures/`; returns the page's path.

    Raises:
      InputError: where the directory cannot be written to.
    """
    folder = directory / "figures"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = draw(report)
        pictures = _pictures(report) | {name: x.png for name, x in drawn.items()}
        for name, png in pictures.items():
            (folder / f"{name}.png").write_bytes(png)
        for name, chart in drawn.items():
            (folder / f"{name}.csv").write_text(chart.table, encoding="utf-8")
        path = directory / "report.html"
        path.write_text(_render(report, pictures), encoding="utf-8")
    except OSError as error:
        raise errors.InputError(
            f"A report needs a writable directory; {directory} failed with "
            f"{error.strerror}. Choose another --out."
        ) from error
    return path


def draw(report: Report) -> dict[str, Chart]:
    """Returns charts by the names of `CAPTIONS`; those without data are left out."""
    runs = [part.curves for part in report.runs]
    panels = {
        "reward_vs_kl": run_charts.reward_against_kl(runs),
        "reward_vs_step": run_charts.reward_against_step(runs),
        "courses": run_charts.courses(runs),
    }
    drawn = {
        name: Chart(
            png=figures.curves(some, one_legend=True), table=run_charts.as_csv(some)
        )
        for name, some in panels.items()
        if some
    }
    times = [bar for run in runs if (bar := run_charts.time_shares(run)) is not None]
    if times:
        drawn["time_shares"] = _stacked(times, "Share of the actors' time")
    if report.ablations:
        drawn["ablations"] = _ablations(report.ablations)
    if report.study is not None:
        drawn["study"] = _duels(report.study, "Side by side, by raters")
    if report.population is not None:
        title = "Side by side, by a SIMULATED population"
        drawn["population"] = _duels(report.population, title)
    return drawn


def notes(runs: Sequence[run_charts.RunCurves]) -> list[str]:
    """Returns what a reader has to know of the curves, one paragraph each."""
    found = []
    references = dict.fromkeys(run.kl_ref for run in runs)
    if len(references) > 1:
        said = "; ".join(f"{run.name} from {run.kl_ref}" for run in runs)
        found.append(
            "Curves of different KL references share the KL axis, so that equal KL is "
            f"not equal distance from one model. KL is measured: {said}."
        )
    found += [f"{r.name}: {r.flag.words}." for r in runs if r.flag is not None]
    found += [
        f"{run.name}: {left_out}"
        for run in runs
        for left_out in gaps.words(run.evaluations, run.facts)
    ]
    silent = [r.name for r in runs if not any(e.rewards for e in r.evaluations)]
    if silent:
        found.append(
            "No scores by prompt are at hand, so over-optimisation was not looked for: "
            f"{', '.join(silent)}."
        )
    blind = [r.name for r in runs if not r.facts.held_out and r.name not in silent]
    if blind:
        found.append(
            "Every reward that was measured is trained, so that no over-optimisation "
            f"can be seen: {', '.join(blind)}."
        )
    return found


def _stacked(
    rows: Sequence[bars.StackedBar], title: str, styles: Mapping[str, int] | None = None
) -> Chart:
    table = [
        (row.label, name, f"{share:.6g}")
        for row in rows
        for name, share in row.shares.items()
    ]
    return Chart(
        png=bars.stacked(rows, title, styles),
        table=_csv(("bar", "part", "share"), table),
    )


def _duels(votes: result_files.Votes, title: str) -> Chart:
    rows = [
        bars.StackedBar(
            label=f"{duel.a} vs {duel.b}",
            shares=duel.shares,
            note=_rate(duel),
        )
        for duel in votes.comparisons
    ]
    names = [field.name for field in dataclasses.fields(result_files.Duel)]
    table = [dataclasses.astuple(duel) for duel in votes.comparisons]
    return Chart(png=bars.stacked(rows, title, OUTCOMES), table=_csv(names, table))


def _rate(duel: result_files.Duel) -> str:
    if math.isnan(duel.win_rate):
        return f"no decided vote, n = {duel.n}"
    interval = f"[{duel.low:.1%}, {duel.high:.1%}]"
    return f"win rate {duel.win_rate:.1%} {interval}, n = {duel.n}"


def _ablations(rows: Sequence[result_files.Ablation]) -> Chart:
    points = [
        bars.Interval(
            label=row.variant,
            value=100 * row.accuracy,
            low=100 * row.low,
            high=100 * row.high,
            note=_size(row),
        )
        for row in rows
    ]
    names = [field.name for field in dataclasses.fields(result_files.Ablation)]
    users = ", on choices of SIMULATED users" if any(x.simulated for x in rows) else ""
    title = f"Ablations of the preference model{users}"
    return Chart(
        png=bars.intervals(points, title, "accuracy in %", 50.0),
        table=_csv(names, [dataclasses.astuple(row) for row in rows]),
    )


def _size(row: result_files.Ablation) -> str:
    among = f" in {row.clusters:,} clusters" if row.clusters else ""
    return f"(n = {row.pairs:,}{among})"


def _cell(value: object) -> object:
    return report_files.cell(value) if isinstance(value, str) else value


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    # Names of models are a user's: no spreadsheet is to take one for a formula.
    table.writerows([_cell(x) for x in row] for row in rows)
    return text.getvalue()


def _pictures(report: Report) -> dict[str, bytes]:
    """Returns the pictures of single runs: lag and waits, spectrograms."""
    found = {}
    for number, part in enumerate(report.runs):
        if part.metrics is not None and part.metrics.learner:
            found[f"waits_{number}"] = charts.lag_and_waiting(part.metrics)
        for place, example in enumerate(part.examples):
            found[f"prompt_{number}_{place}"] = example.picture
    return found


def _render(report: Report, pictures: Mapping[str, bytes]) -> str:
    template = page.environment(pictures).get_template("runs.html.j2")
    return template.render(
        report=report,
        notes=notes([part.curves for part in report.runs]),
        charts={name: text for name, text in CAPTIONS.items() if name in pictures},
        waits_caption=charts.CAPTIONS["lag_and_waiting"],
        waits=[
            {} if part.metrics is None else run_charts.waits(part.metrics)
            for part in report.runs
        ],
    )
