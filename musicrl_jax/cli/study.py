"""`musicrl study`: a blind study of models by raters, from plan to figures."""

from typing import Annotated

import typer

from musicrl_jax.cli import options, running

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Compare models by raters: plan, analyse, panel.",
)

Out = Annotated[str | None, typer.Option("--out", help="Folder to write to.")]
Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME=FOLDER...",
        help="Models and folders of their clips 000.wav, ...; baselines first.",
        show_default=False,
    ),
]
MoreModels = Annotated[
    list[str] | None,
    typer.Option("--models", help="May stand before the models.", show_default=False),
]


def plan(
    others: Models = None,
    models: MoreModels = None,
    out: Out = None,
    prompts_file: Annotated[
        str | None,
        typer.Option("--prompts_file", help="One a line; default: the paper's 101."),
    ] = None,
    raters: Annotated[
        int | None, typer.Option("--raters", min=1, help="Who share the work.")
    ] = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Write blind, balanced tasks of all pairs of models for raters.

    The folder gets `for_raters/` (tasks, instructions, audio) and, not for raters,
    `key.jsonl`.
    """
    fields = {
        "models": (*(models or ()), *(others or ())) or None,
        "out": out,
        "prompts_file": prompts_file,
        "raters": raters,
        "seed": seed,
    }
    running.run("study_plan", gin_file, gin_param, fields, as_json=json)


def analyse(
    tasks: Annotated[
        str | None, typer.Option("--tasks", help="Folder that `plan` wrote.")
    ] = None,
    ratings: Annotated[
        list[str] | None,
        typer.Option(
            "--ratings",
            help="Filled-in tasks, CSV or JSONL; repeatable.",
            show_default=False,
        ),
    ] = None,
    out: Out = None,
    max_bad_share: options.MaxBadShare = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Turn ratings into win rates, opinion scores, tests and agreement."""
    fields = {
        "tasks": tasks,
        "ratings": tuple(ratings) if ratings else None,
        "out": out,
        "max_bad_share": max_bad_share,
        "seed": seed,
    }
    running.run("study_analysis", gin_file, gin_param, fields, as_json=json)


def panel(
    recorded: Annotated[
        str | None, typer.Option("--recorded", help="Preferences: pair_id, label.")
    ] = None,
    judged: Annotated[
        str | None, typer.Option("--panel", help="The panel's: pair_id, label.")
    ] = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    json: options.Json = False,
) -> None:
    """Compare a small panel's choices with recorded preferences."""
    fields = {"recorded": recorded, "panel": judged}
    running.run("study_panel", gin_file, gin_param, fields, as_json=json)


COMMANDS = (plan, analyse, panel)
for _command in COMMANDS:
    app.command()(_command)
