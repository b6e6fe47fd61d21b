"""`musicrl study`: a blind study of models by raters, from plan to figures."""

from typing import Annotated

import typer

from musicrl_jax.cli import options, running
from musicrl_jax.core import errors

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Compare models by raters: plan, analyse, panel.",
)

Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME=FOLDER...",
        help="Models and folders of their clips 000.wav, ...; baselines first; two or "
        "more are required.",
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
    out: Annotated[
        str | None,
        typer.Option("--out", help="Folder to write to.", show_default="study"),
    ] = None,
    prompts_file: Annotated[
        str | None,
        typer.Option(
            "--prompts_file", help="One a line.", show_default="the paper's 101"
        ),
    ] = None,
    raters: Annotated[
        int | None,
        typer.Option("--raters", min=1, help="Who share the work.", show_default="12"),
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
    named = (*(models or ()), *(others or ()))
    if not (named or gin_file or gin_param):
        raise errors.InputError(
            "A study compares two models or more; got none. Give them as NAME=FOLDER."
        )
    fields = {
        "models": named or None,
        "out": out,
        "prompts_file": prompts_file,
        "raters": raters,
        "seed": seed,
    }
    running.run("study_plan", gin_file, gin_param, fields, as_json=json)


def analyse(
    tasks: Annotated[str, typer.Option("--tasks", help="Folder that `plan` wrote.")],
    ratings: Annotated[
        list[str],
        typer.Option("--ratings", help="Filled-in tasks, CSV or JSONL; repeatable."),
    ],
    out: Annotated[
        str | None,
        typer.Option("--out", help="Folder to write to.", show_default="that of tasks"),
    ] = None,
    votes_out: Annotated[
        str | None,
        typer.Option(
            "--votes_out",
            help="JSONL file for the ratings as votes (`musicrl votes --own`).",
            show_default="none",
        ),
    ] = None,
    max_bad_share: Annotated[
        float | None,
        typer.Option(
            "--max_bad_share",
            min=0,
            max=1,
            help="Of the rows; beyond it, it fails.",
            show_default="0.01",
        ),
    ] = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Turn ratings into win rates, opinion scores, tests and agreement."""
    fields = {
        "tasks": tasks,
        "ratings": tuple(ratings),
        "out": out,
        "votes_out": votes_out,
        "max_bad_share": max_bad_share,
        "seed": seed,
    }
    running.run("study_analysis", gin_file, gin_param, fields, as_json=json)


def panel(
    recorded: Annotated[
        str, typer.Option("--recorded", help="Preferences: pair_id, label.")
    ],
    judged: Annotated[
        str, typer.Option("--panel", help="The panel's: pair_id, label.")
    ],
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
