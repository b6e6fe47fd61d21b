"""Options that several commands share, worded once."""

from typing import Annotated

import typer

GinFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--gin_file",
        help="Gin file or experiment name; repeatable, later ones win.",
        show_default=False,
    ),
]
GinParams = Annotated[
    list[str] | None,
    typer.Option(
        "--gin_param",
        help="One binding, such as LearnerConfig.steps=10; repeatable.",
        show_default=False,
    ),
]
RunDir = Annotated[
    str | None,
    typer.Option("--run_dir", help="Directory of the run; resumed if it exists."),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        min=0,
        help="Seed of all randomness.",
        show_default="0, or the gin file's",
    ),
]
Networks = Annotated[
    str | None,
    typer.Option("--networks", help="Folder of networks.", show_default="the starter"),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
MaxBadShare = Annotated[
    float | None,
    typer.Option(
        "--max_bad_share", min=0, max=1, help="Of the rows; beyond it, it fails."
    ),
]
