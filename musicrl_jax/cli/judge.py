"""Commands that judge finished runs: `select` and `report`."""

import pathlib
from typing import TYPE_CHECKING, Annotated

import typer

from musicrl_jax.cli import options, output

if TYPE_CHECKING:
    from musicrl_jax.runs import select_policy

Run = Annotated[str, typer.Argument(metavar="RUN", help="Directory of a run.")]


def select(
    run: Run,
    kl_budget: Annotated[
        float | None,
        typer.Option(
            "--kl_budget",
            min=0,
            help="Most nats per clip to the run's KL reference.",
            show_default="that of the run",
        ),
    ] = None,
    score: Annotated[
        str,
        typer.Option(
            "--score",
            help="Reward to go by, or total.",
            show_default="mean of the standardised held-out ones",
        ),
    ] = "",
    out: Annotated[
        str,
        typer.Option(
            "--out",
            help="Weights file to write the policy to; saves the choice too.",
            show_default="none",
        ),
    ] = "",
    save: Annotated[
        bool,
        typer.Option(
            "--save",
            help="Keep the choice as the run's selected.json, for report and export.",
        ),
    ] = False,
    json: options.Json = False,
) -> None:
    """Choose a run's best policy within a KL budget and before over-optimisation.

    With --json, and with --save or --out in selected.json of the run: run, step, rule,
    reason, score and its value, kl (nats per clip to kl_ref), kl_budget,
    steps_measured, steps_allowed, over_optimisation, runner_up, policy (the run's own
    file) and exported (--out).
    """
    from musicrl_jax.runs import select_policy

    found = select_policy.select(
        run, kl_budget=kl_budget, score=score, out=out, save=save
    )
    kept = save or bool(out)
    output.show(found if json else _in_words(found, kept=kept), as_json=json)


def _in_words(found: "select_policy.Selected", *, kept: bool) -> dict[str, str | int]:
    second = found.runner_up
    return {
        "step": found.step,
        "reason": found.reason,
        "KL": f"{found.kl:.4g} nats per clip from {found.kl_ref}",
        "runner-up": "none"
        if second is None
        else f"step {second.step} ({second.value:.4g}, {second.kl:.4g} nats)",
        "policy": found.exported or found.policy or "not kept",
        "saved": "in selected.json" if kept else "no (pass --save or --out)",
    }


def report(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Directories of runs.")
    ],
    out: Annotated[str, typer.Option("--out", help="Folder to write.")] = "report",
    base: Annotated[
        str,
        typer.Option("--base", help="What to call the model that runs start from."),
    ] = "base",
    ablations: Annotated[
        pathlib.Path | None,
        typer.Option("--ablations", help="ablations.json of `musicrl ablations`."),
    ] = None,
    study: Annotated[
        pathlib.Path | None,
        typer.Option("--study", help="study.json of `musicrl study analyse`."),
    ] = None,
    population: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--population", help="population.json of `musicrl population` (SIMULATED)."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Draw the paper's figures for one or several runs, as one page."""
    from musicrl_jax.runs import report_runs

    written = report_runs.write(
        runs,
        report_runs.ReportOptions(
            out=pathlib.Path(out),
            base=base,
            ablations=ablations,
            study=study,
            population=population,
        ),
    )
    output.show(written, as_json=json)


COMMANDS = (select, report)
