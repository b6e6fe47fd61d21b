"""Reads what `musicrl sweep` is to try; builds each trial's configuration once."""

import hashlib
import shlex
from collections.abc import Sequence

from musicrl_jax.cli import bindings, configurables, gin_files, running
from musicrl_jax.core import errors
from musicrl_jax.runs import sweep, sweep_space

PRETRAIN = "pretrain_"
TASKS = (
    "finetune",
    *(name for name in configurables.COMMANDS if name.startswith(PRETRAIN)),
)


def read_template(text: str | None, task: str) -> tuple[str, ...]:
    """Returns the words of a trial's command.

    Raises:
      InputError: it does not parse, or does not say where the arguments go.
    """
    if text is None:
        return ("musicrl", *task.split("_", maxsplit=1), sweep.ARGUMENTS)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise errors.InputError(
            f"--command must read as a line of a shell; {error}: {text}."
        ) from error
    if sweep.ARGUMENTS not in words:
        raise errors.InputError(
            f"--command needs the word {sweep.ARGUMENTS} where the trial's go; got "
            f"{text!r}."
        )
    return tuple(words)


def choose(
    vary: Sequence[str], count: int | None, seed: int
) -> list[sweep_space.Bindings]:
    """Returns what the trials set: all of the grid, or `count` drawn.

    Raises:
      InputError: see `runs.sweep_space`.
    """
    variations = [sweep_space.parse(text) for text in vary]
    sweep_space.check_distinct(variations)
    if count is None:
        return sweep_space.grid(variations)
    return sweep_space.draw(variations, count, seed)


def make_trials(
    combinations: Sequence[sweep_space.Bindings],
    task: str,
    trials_dir: str,
    gin_file: Sequence[str] | None,
    gin_param: Sequence[str] | None,
) -> list[sweep.Trial]:
    """Returns the trials; the whole configuration of each is built once, here.

    Raises:
      InputError: no such task, or a trial whose bindings are refused.
    """
    if task not in TASKS:
        raise errors.InputError(
            f"A sweep's trials are one of {', '.join(TASKS)}; got {task!r}. Correct "
            "--task."
        )
    names = gin_file or [running.default_file(task, "")]
    paths = [gin_files.find(name) for name in names]
    trials = []
    for index, combination in enumerate(combinations):
        name = sweep_space.trial_name(combination)
        run_dir = f"{trials_dir.rstrip('/')}/{name}"
        params = [*(gin_param or ()), *(f"{key}={x}" for key, x in combination)]
        resolved = bindings.resolve(
            configurables.COMMANDS[task].config, paths, params, {"run_dir": name}
        )
        arguments = ["--run_dir", run_dir]
        arguments += [word for file in names for word in ("--gin_file", file)]
        arguments += [word for param in params for word in ("--gin_param", param)]
        if task.startswith(PRETRAIN):
            # Or all trials would write the one file that pretraining is meant for.
            weights = f"{run_dir}/{task.removeprefix(PRETRAIN)}.safetensors"
            arguments += ["--out", weights]
        trials.append(
            sweep.Trial(
                index=index,
                name=name,
                bindings=combination,
                run_dir=run_dir,
                arguments=tuple(arguments),
                config=hashlib.sha256(resolved.operative.encode()).hexdigest(),
            )
        )
    return trials
