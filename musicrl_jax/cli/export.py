"""`musicrl export`: a policy as one folder that serves without this package."""

import pathlib
from typing import Annotated

import typer

from musicrl_jax.cli import options, output
from musicrl_jax.core import errors


def export(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN_OR_WEIGHTS", help="Directory of a run, or a weights file."
        ),
    ] = None,
    step: Annotated[
        str, typer.Option("--step", help="Of a run: best (default), last or a number.")
    ] = "",
    out: Annotated[str, typer.Option("--out", help="Folder to write.")] = "exported",
    networks: Annotated[
        str,
        typer.Option("--networks", help="Folder of networks (default: starter)."),
    ] = "",
    seconds: Annotated[
        float, typer.Option("--seconds", help="Length of the clips.")
    ] = 30.0,
    shard_gb: Annotated[
        float, typer.Option("--shard_gb", help="Most gigabytes in a weights file.")
    ] = 4.0,
    verify: Annotated[
        str | None,
        typer.Option(
            "--verify", metavar="DIR", help="Check an exported folder instead."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Write a policy as programs and weights that are served without this package."""
    if (source is None) == (verify is None):
        raise errors.InputError(
            "An export takes a run or weights file, or --verify DIR; got "
            f"{'neither' if source is None else 'both'}. Pass one of them."
        )
    from musicrl_jax.runs import export as exports

    if source is None:
        output.show(exports.verify(pathlib.Path(verify or "")), as_json=json)
        return
    wanted = exports.ExportOptions(
        source=source,
        out=pathlib.Path(out),
        step=step,
        networks=networks,
        seconds=seconds,
        shard_gb=shard_gb,
    )
    output.show(exports.run(wanted), as_json=json)


COMMANDS = (export,)
