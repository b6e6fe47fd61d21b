"""`musicrl <command>`: the commands, and how each ends.

Exit codes: 0 done, 2 bad input, 70 stored state contradicts the protocol, 75 try again,
78 another configuration than the run's, 130 interrupted, 143 preempted, 1 a fault.
"""

import itertools
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Annotated

import typer

from musicrl_jax.cli import (
    ask,
    export,
    judge,
    launch,
    listen,
    look,
    output,
    plan,
    prepare,
    recipe,
    sources,
    study,
    sweeps,
    train,
)
from musicrl_jax.core import errors

INTERRUPTED = 130
COMMANDS = (
    *listen.COMMANDS,
    *train.COMMANDS,
    *recipe.COMMANDS,
    *sources.COMMANDS,
    *prepare.COMMANDS,
    *ask.COMMANDS,
    *look.COMMANDS,
    *judge.COMMANDS,
    *export.COMMANDS,
    *plan.COMMANDS,
    *sweeps.COMMANDS,
)

app = typer.Typer(
    name="musicrl",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _command in COMMANDS:
    app.command()(_command)
app.add_typer(study.app, name="study")
app.add_typer(launch.app)


@app.callback()
def musicrl(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks (anywhere in the line).")
    ] = False,
) -> None:
    """Make music from text, and align the model with rewards."""
    if not debug:
        sys.excepthook = _on_fault


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and ends the process with its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    if debug:
        arguments = ["--debug", *(a for a in arguments if a != "--debug")]
    try:
        code = app(arguments, prog_name="musicrl", standalone_mode=False)
    except (errors.MusicRLError, typer.TyperException, OSError) as error:
        if debug:
            raise
        if isinstance(error, errors.LostHostError):
            output.end_at_once(error)  # JAX waits for the lost host otherwise
        output.error(_message(error, arguments))
        code = getattr(error, "exit_code", errors.InputError.exit_code)
    if code == INTERRUPTED:  # typer's answer to KeyboardInterrupt
        output.error("Interrupted; the same command goes on where it can.")
    sys.exit(code)


def _message(error: Exception, arguments: Sequence[str]) -> str:
    if isinstance(error, typer.TyperException):
        return f"{error.format_message()}{_given(error, arguments)} (see --help)"
    if isinstance(error, OSError):
        place = "" if error.filename is None else f"{error.filename}: "
        return (
            f"Files must be readable and writable; {place}{errors.reason(error)}. "
            "Correct the path."
        )
    return str(error)


def _given(error: Exception, arguments: Sequence[str]) -> str:
    """Returns what was given for an option whose value is refused."""
    names = getattr(getattr(error, "param", None), "opts", ())
    for name, value in itertools.pairwise(arguments):
        if isinstance(error, typer.BadParameter) and name in names:
            return f"; got {value}"
    return ""


def _on_fault(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Reports a fault of the program itself; Python then exits with code 1."""
    del trace
    output.error(f"fault in the program, {kind.__name__}: {error} (see --debug)")


if __name__ == "__main__":
    main()
