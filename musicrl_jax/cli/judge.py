"""Commands that judge finished runs: `select` and `report`."""

import pathlib
from typing import Annotated

import typer

from musicrl_jax.cli import options, output

Run = Annotated[str, typer.Argument(metavar="RUN", help="Directory of a run.")]


def select(
    run: Run,
    kl_budget: Annotated[
        float | None,
        typer.Option(
            "--kl_budget", min=0, help="Most nats per clip; default: the run's own."
        ),
    ] = None,
    score: Annotated[
        str,
        typer.Option("--score", help="Reward to go by; default: all held-out ones."),
    ] = "",
    out: Annotated[
        str, typer.Option("--out", help="Weights file to write the policy to.")
    ] = "",
    json: options.Json = False,
) -> None:
    """Choose a run's best policy within a KL budget and before over-optimisation."""
    from musicrl_jax.runs import select_policy

    found = select_policy.select(run, kl_budget=kl_budget, score=score, out=out)
    if json:
        output.show(found, as_json=True)
        return
    second = found.runner_up
    output.show(
        {
            "step": found.step,
            "reason": found.reason,
            "KL": f"{found.kl:.4g} nats per clip from {found.kl_ref}",
            "runner-up": "none"
            if second is None
            else f"step {second.step} ({second.score:.4g}, {second.kl:.4g} nats)",
            "policy": found.policy or "not kept",
        },
        as_json=False,
    )


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
        typer.Option("--ablations", help="JSON of reward-model ablations."),
    ] = None,
    study: Annotated[
        pathlib.Path | None, typer.Option("--study", help="JSON of a rater study.")
    ] = None,
    population: Annotated[
        pathlib.Path | None,
        typer.Option("--population", help="JSON of a SIMULATED population's votes."),
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
