"""Runs a command whose config comes from gin."""

import contextlib
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from musicrl_jax.cli import configurables, output
from musicrl_jax.core import errors

OPERATIVE = "config/operative.gin"
_CONFIG = "config/"
_REFUSALS = (errors.InputError, errors.ConfigMismatchError, OSError)
ROLES = ("learner", "actor", "evaluator")


def run(
    command: str,
    gin_file: Sequence[str] | None,
    gin_param: Sequence[str] | None,
    overrides: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Builds the config of `command`, runs it and prints what it returns.

    Args:
      command: a name in `configurables.COMMANDS`.
      gin_file: the user's gin files; see `default_file` where there are none.
      gin_param: single bindings over the files.
      overrides: fields of the config that options of the command set (or of another
        config, as `Name.field`); None is unset.
      as_json: print the result as JSON.
    """
    output.show(call(command, gin_file, gin_param, overrides), as_json=as_json)


def call(
    command: str,
    gin_file: Sequence[str] | None,
    gin_param: Sequence[str] | None,
    overrides: Mapping[str, Any],
) -> output.Result:
    """Does what `run` does, and returns the result instead of printing it."""
    # Reading gin takes longer than `--help` may.
    from musicrl_jax.cli import bindings, gin_files

    run_dir = str(overrides.get("run_dir") or "")
    names = gin_file or [default_file(command, run_dir)]
    entry = configurables.COMMANDS[command]
    resolved = bindings.resolve(
        entry.config,
        [gin_files.find(name) for name in names],
        gin_param or (),
        {name: value for name, value in overrides.items() if value is not None},
    )
    if entry.trains or command.startswith("bench_"):
        from musicrl_jax.runs import kept_pages

        kept_pages.keep()
    function = configurables.function(command)
    run_dir = str(getattr(resolved.config, "run_dir", ""))
    if command in (*ROLES, "finetune"):
        from musicrl_jax.runs import run_inputs

        run_inputs.check(resolved.config)
    with operative_saved(run_dir, resolved.operative), _marked(entry, run_dir):
        return function(resolved.config, **_callbacks(command, entry))


def _marked(
    entry: configurables.Command, run_dir: str
) -> contextlib.AbstractContextManager[None]:
    """Returns what leaves a mark when a training run is done, for sweeps."""
    if not entry.trains or not run_dir:
        return contextlib.nullcontext()
    from musicrl_jax.runs import training

    return training.marked_when_done(run_dir)


def default_file(command: str, run_dir: str) -> str:
    """Returns the gin file of a command that was given none.

    A role, and `finetune` of a run that has begun, take the config of the run
    directory, so that `--run_dir` is enough.
    """
    begun = pathlib.Path(run_dir) / OPERATIVE
    if command in (*ROLES, "finetune"):
        return str(begun) if begun.is_file() else "gin/runs/finetune.gin"
    return f"gin/runs/{configurables.COMMANDS[command].file or command}.gin"


@contextlib.contextmanager
def operative_saved(run_dir: str, text: str) -> Iterator[None]:
    """Keeps the config in the run directory, unless what runs there is refused.

    A refusal must leave nothing that a corrected call would meet. Where there is a
    config already, it stays.

    Args:
      run_dir: directory or bucket URL; empty for a command without one.
      text: the config.
    """
    from musicrl_jax.transport import store as stores

    if not run_dir:
        yield
        return
    store = stores.open_store(run_dir)
    missing = _missing_folders(run_dir)
    before = store.list(_CONFIG)
    mine = False
    try:
        mine = store.put_if_absent(OPERATIVE, text.encode())
        yield
    except _REFUSALS:
        # With anything else in there, a run has begun with this config.
        if mine and store.list(_CONFIG) == sorted([*before, OPERATIVE]):
            store.delete(OPERATIVE)
        _remove_if_empty(missing)
        raise


def _missing_folders(run_dir: str) -> list[pathlib.Path]:
    """Returns the folders that saving a config would make, the innermost first."""
    plain = run_dir.removeprefix("file://")
    if "://" in plain:
        return []
    root = pathlib.Path(plain)
    folders = (root / ".scratch", (root / OPERATIVE).parent, root, *root.parents)
    return [folder for folder in folders if not folder.exists()]


def _remove_if_empty(folders: Sequence[pathlib.Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _callbacks(command: str, entry: configurables.Command) -> dict[str, Any]:
    """Returns the arguments through which a run function speaks to the terminal."""
    from musicrl_jax.cli import progress

    if entry.progress:
        return {entry.progress: progress.Progress(command)}
    if not entry.trains:
        return {}
    from musicrl_jax.pretraining import loop
    from musicrl_jax.runs import stopping

    return {
        "hooks": loop.Hooks(
            progress=progress.Progress(command), stop=stopping.StopRequest()
        )
    }
