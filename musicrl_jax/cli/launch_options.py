"""What the commands that launch runs elsewhere share."""

import enum
from collections.abc import Sequence
from typing import Annotated

import typer

from musicrl_jax.core import errors


class Role(enum.StrEnum):
    """A process of a run."""

    LEARNER = "learner"
    EVALUATOR = "evaluator"
    ACTOR = "actor"


RunUrl = Annotated[str, typer.Option("--run_dir", help="Bucket URL of the run.")]
Name = Annotated[
    str, typer.Option("--name", help="Of what is made: up to 30 of a-z, 0-9 and -.")
]


def checked_files(
    run_dir: str, gin_file: Sequence[str] | None, gin_param: Sequence[str] | None
) -> tuple[str, ...]:
    """Returns the gin files of a run as the machines find them that get the checkout.

    The whole configuration is built here first, so that a mistake in it costs nothing.

    Raises:
      InputError: a file that would not lie there, or see `bindings.resolve`.
    """
    # Reading gin takes longer than `--help` may.
    from musicrl_jax.cli import bindings, gin_files

    names = gin_file or ["gin/runs/finetune.gin"]
    paths = [gin_files.find(name).resolve() for name in names]
    roots = [gin_files.CHECKOUT.resolve(), gin_files.INSTALLED.resolve()]
    found = []
    for path in paths:
        inside = [root for root in roots if path.is_relative_to(root)]
        if not inside:
            raise errors.InputError(
                f"Gin files must lie in the checkout, which is sent along; {path} does "
                "not. Move it to gin/experiments."
            )
        found.append(str(path.relative_to(inside[0])))
    bindings.resolve("RunConfig", paths, gin_param or (), {"run_dir": run_dir})
    return tuple(found)


def role_arguments(
    role: Role,
    run_dir: str,
    gin_file: Sequence[str] | None,
    gin_param: Sequence[str] | None,
) -> tuple[str, ...]:
    """Returns the words after `musicrl` that start a role of a run.

    Raises:
      InputError: see `checked_files`.
    """
    words = [str(role), "--run_dir", run_dir]
    for file in checked_files(run_dir, gin_file, gin_param):
        words += ["--gin_file", file]
    for binding in gin_param or ():
        words += ["--gin_param", binding]
    return tuple(words)
