"""Runs the paper's recipes from end to end, each step with the command it stands for.

    r      fine-tune on text adherence and quality, choose a policy
    u      preferences, preference model, fine-tune on it, choose a policy
    ru     r, preferences, preference model, fine-tune R's choice, choose a policy
    joint  preferences, preference model, fine-tune on all rewards, choose a policy
    all    all of these, then a simulated population's votes, and a report

A finished step is not repeated; one that was stopped goes on where it was. Without a
preference set, a simulated population is asked, and what follows says so. The policy
that is chosen has the best total reward within the run's KL budget and before its
over-optimisation, where a reward that was not trained falls.
"""

import pathlib
import shlex
import subprocess  # Each step is a process of its own, with its own devices.
import sys
import time
from collections.abc import Callable, Sequence

from musicrl_jax.core import errors
from musicrl_jax.data import preference_choices
from musicrl_jax.runs import (
    directory_lock,
    network_files,
    recipe_inputs,
    recipe_steps,
    stages,
    stopping,
)

POLL_SECONDS = 0.2
GRACE_SECONDS = 120.0


def run(
    config: recipe_steps.RecipeConfig,
    gin_files: recipe_inputs.GinFiles = recipe_inputs.no_gin_files,
    selection: preference_choices.SelectionConfig | None = None,
) -> list[str]:
    """Runs what is missing; returns the names of the steps that ran.

    Args:
      config: of the recipe.
      gin_files: finds the experiments, whose contents each step's record keeps.
      selection: which pairs of a given set its preference step uses; None for the
        default.

    Raises:
      InputError: where inputs cannot be used, the folder was begun with other
        settings, networks, preferences or gin files, a step refused its input, or
        another recipe runs in the folder.
      TemporaryError: a step failed; the same command tries it again.
      Preempted: asked to stop; the same command goes on.
    """
    _check_inputs(config, selection or preference_choices.SelectionConfig())
    folder = pathlib.Path(config.run_dir)
    if folder.exists() and not folder.is_dir():
        raise errors.InputError(
            f"A recipe needs a folder; {folder} is a file. Set another --run_dir."
        )
    folder.mkdir(parents=True, exist_ok=True)
    with directory_lock.only_one(folder, "recipe"), stopping.StopRequest() as stop:
        chain = [
            stages.Stage(
                name=step.name,
                output=folder / step.output,
                settings=_settings(config, step),
                run=_runner(step, stop),
                after=step.after,
                whole=step.whole,
                inputs=recipe_inputs.of_step(
                    step.commands,
                    networks=config.networks,
                    preferences=config.preferences,
                    gin_files=gin_files,
                ),
            )
            for step in recipe_steps.steps(config)
        ]
        return stages.run_chain(chain, folder / "steps")


def commands(config: recipe_steps.RecipeConfig) -> list[str]:
    """Returns every command of a recipe, ready for a shell."""
    return [
        shlex.join(("musicrl", *words))
        for step in recipe_steps.steps(config)
        for words in step.commands
    ]


def _settings(
    config: recipe_steps.RecipeConfig, step: recipe_steps.Step
) -> dict[str, object]:
    """Returns what a step depends on; a folder that is moved stays the same run."""
    here = f"{config.run_dir}/"
    words = [shlex.join(words) for words in step.commands]
    return {"commands": [x.replace(here, "RUN_DIR/") for x in words]}


def _check_inputs(
    config: recipe_steps.RecipeConfig, selection: preference_choices.SelectionConfig
) -> None:
    """Refuses what a later step would, before hours of work."""
    networks = network_files.directory(config.networks)
    if not (networks / network_files.MUSICLM).is_file():
        raise errors.InputError(
            f"A recipe starts from {network_files.MUSICLM}; {networks} has none. Set "
            "--networks to a folder of networks, or leave it out for the starter's."
        )
    pairs = pathlib.Path(config.preferences) / recipe_inputs.PAIRS
    if config.preferences and not pairs.is_file():
        raise errors.InputError(
            f"A preference set is a folder with pairs.jsonl; there is no {pairs}. "
            "Pass the folder of `musicrl votes` or `musicrl preferences`."
        )
    if config.preferences:
        # What the networks need is not loaded where no set is given.
        from musicrl_jax.runs import preference_pairs

        preference_pairs.check(config.preferences, selection, networks)
    elif config.name == "all":
        _check_prompts(config, networks)


def _check_prompts(config: recipe_steps.RecipeConfig, networks: pathlib.Path) -> None:
    """Refuses more prompts to compare models on than the pairs leave."""
    from musicrl_jax.runs import population, simulated_preferences, system

    share = simulated_preferences.SimulatedPreferencesConfig.held_out_share
    left = len(population.new_prompts(networks, None)) - round(config.pairs * share)
    if left < config.prompts:
        raise errors.InputError(
            f"Models are compared on {config.prompts} held-out prompts that the "
            f"preference set does not have; {config.pairs} pairs leave {max(left, 0)} "
            f"in {networks / system.HELD_OUT_PROMPTS}. Write more there."
        )


def _runner(step: recipe_steps.Step, stop: Callable[[], bool]) -> Callable[[], None]:
    def run_all() -> None:
        for words in step.commands:
            _call(words, stop)

    return run_all


def _call(words: Sequence[str], stop: Callable[[], bool]) -> None:
    """Runs one command, which talks to this terminal; ends it when asked to stop."""
    command = [sys.executable, "-m", "musicrl_jax.cli.main", *words]
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            if stop():
                process.terminate()
                try:
                    process.wait(GRACE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                raise errors.Preempted(
                    f"Stopped in `musicrl {words[0]}`; the same command goes on."
                )
            time.sleep(POLL_SECONDS)
        code = process.returncode
    if code == errors.InputError.exit_code:
        raise errors.InputError(
            f"`musicrl {words[0]}` refused its input; its message is above."
        )
    if code:
        raise errors.TemporaryError(
            f"`musicrl {words[0]}` ended with code {code}; see above and the logs of "
            "its run directory. The same command tries it again."
        )
