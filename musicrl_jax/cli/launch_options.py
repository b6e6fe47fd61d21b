"""What the commands that launch runs elsewhere share."""

import enum
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from musicrl_jax.core import errors

if TYPE_CHECKING:
    from musicrl_jax.runs import run_config


class Role(enum.StrEnum):
    """A process of a run."""

    LEARNER = "learner"
    EVALUATOR = "evaluator"
    ACTOR = "actor"


RunUrl = Annotated[str, typer.Option("--run_dir", help="Bucket URL of the run.")]


def checked_files(
    run_dir: str,
    gin_file: Sequence[str] | None,
    gin_param: Sequence[str] | None,
    *,
    chips: int = 0,
    sent: bool = False,
) -> tuple[str, ...]:
    """Returns the gin files of a run as the machines find them that get the checkout.

    The whole configuration is built here first, so that a mistake in it costs nothing.

    Args:
      run_dir: of the run.
      gin_file: the user's files.
      gin_param: bindings over them.
      chips: of the learner's slice; 0 leaves its mesh unchecked.
      sent: the machines have of the checkout what `packed_checkout` sends.

    Raises:
      InputError: a file or folder that would not lie there, a mesh that does not fit
        the slice, or see `bindings.resolve`.
    """
    # Reading gin takes longer than `--help` may.
    from musicrl_jax.cli import bindings, gin_files
    from musicrl_jax.core import sharding

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
    overrides = {"run_dir": run_dir}
    config = bindings.resolve("RunConfig", paths, gin_param or (), overrides).config
    if chips:
        sharding.axis_sizes(config.mesh, chips)
    _check_paths(config, sent=sent)
    return tuple(found)


def _check_paths(config: "run_config.RunConfig", *, sent: bool) -> None:
    """Refuses networks, weights and captions that the machines would not have.

    Raises:
      InputError: see `_check_path`.
    """
    reward = config.reward
    for name, value, folder in (
        ("RunConfig.networks", config.networks, True),
        ("RunConfig.policy", config.policy, False),
        ("RunConfig.captions", config.captions, False),
        ("RewardConfig.quality_weights", reward.quality_weights, False),
        ("RewardConfig.preference_weights", reward.preference_weights, False),
    ):
        _check_path(name, value, folder=folder, sent=sent)


def _check_path(name: str, value: str, *, folder: bool, sent: bool) -> None:
    """Refuses a path that the machines would not have.

    An absolute path may be one of theirs; a relative one begins at their checkout.

    Raises:
      InputError: a relative one is not here, or not in what is sent.
    """
    from musicrl_jax.runs import packed_checkout

    path = pathlib.PurePath(value)
    if not value or path.is_absolute():
        return
    here = packed_checkout.CHECKOUT / path
    there = here.is_dir() if folder else here.is_file()
    packed = (*packed_checkout.NEEDED, *packed_checkout.OPTIONAL)
    if not there or (sent and (path.parts[:1] or ("",))[0] not in packed):
        raise errors.InputError(
            f"A relative {name} must be a {'folder' if folder else 'file'} in the "
            f"folder networks of the checkout, {packed_checkout.CHECKOUT}; got "
            f"{value!r}. Copy it there, or give a path that all machines have."
        )


def role_arguments(
    role: Role,
    run_dir: str,
    gin_file: Sequence[str] | None,
    gin_param: Sequence[str] | None,
    chips: int,
) -> tuple[str, ...]:
    """Returns the words after `musicrl` that start a role on a slice of so many chips.

    Raises:
      InputError: see `checked_files`.
    """
    files = checked_files(
        run_dir,
        gin_file,
        gin_param,
        chips=chips if role == Role.LEARNER else 0,
        sent=True,
    )
    words = [str(role), "--run_dir", run_dir]
    for file in files:
        words += ["--gin_file", file]
    for binding in gin_param or ():
        words += ["--gin_param", binding]
    return tuple(words)
