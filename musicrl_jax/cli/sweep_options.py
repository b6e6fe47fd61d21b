"""The options of `musicrl sweep`."""

import enum
from typing import Annotated

import typer

from musicrl_jax.core import errors


class Mode(enum.StrEnum):
    """Which end of a metric is the better one."""

    MAX = "max"
    MIN = "min"


class At(enum.StrEnum):
    """Which row of its metrics a trial is judged by."""

    LAST = "last"
    BEST = "best"


def _named(folder: str) -> str:
    if not folder.strip():
        raise errors.InputError("--out must name a folder; got ''. Name one.")
    return folder


Out = Annotated[
    str,
    typer.Option("--out", help="Folder of records, logs, table.", callback=_named),
]
Vary = Annotated[
    list[str],
    typer.Option(
        "--vary",
        help="Name.argument=value,value, or =log:1e-5:1e-3, uniform:0:1, int:1:8 with "
        "--random; repeatable.",
    ),
]
Random = Annotated[
    int | None,
    typer.Option("--random", min=1, help="Draw so many trials (default: the grid)."),
]
Seed = Annotated[
    int,
    typer.Option("--seed", min=0, help="Of the values that --random draws."),
]
Task = Annotated[str, typer.Option("--task", help="Such as pretrain_musiclm.")]
Command = Annotated[
    str | None,
    typer.Option(
        "--command",
        help="What runs a trial, with {arguments} and, if need be, {name}, {run_dir}, "
        "{index}, {slot} (default: 'musicrl finetune {arguments}').",
    ),
]
Parallel = Annotated[
    int, typer.Option("--parallel", min=1, help="Trials at a time on this machine.")
]
PrintCommands = Annotated[
    bool,
    typer.Option(
        "--print_commands", help="Print a line for each open trial; run none."
    ),
]
TableOnly = Annotated[bool, typer.Option("--table_only", help="Run nothing.")]
TrialsDir = Annotated[
    str | None,
    typer.Option(
        "--trials_dir", help="Folder or bucket of run directories (OUT/trials)."
    ),
]
Metrics = Annotated[
    str, typer.Option("--metrics", help="Key of the metrics in a run directory.")
]
Metric = Annotated[str, typer.Option("--metric", help="What trials are judged by.")]
Better = Annotated[Mode, typer.Option("--mode", help="Which end is better.")]
Judged = Annotated[At, typer.Option("--at", help="Which row of the metrics counts.")]
Show = Annotated[
    list[str] | None,
    typer.Option("--show", help="One more metric of the table; repeatable."),
]
