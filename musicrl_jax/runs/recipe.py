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

import dataclasses
import pathlib
import shlex
import subprocess  # Each step is a process of its own, with its own devices.
import sys
import time
from collections.abc import Callable, Iterable, Sequence

from musicrl_jax.core import errors
from musicrl_jax.runs import network_files, recipe_inputs, stages, stopping

POPULATION = "simulated_population.json"
RECIPES = ("r", "u", "ru", "joint", "all")
POLL_SECONDS = 0.2
GRACE_SECONDS = 120.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecipeConfig:
    """A recipe and where it runs.

    Attributes:
      name: one of `RECIPES`.
      run_dir: folder of all its steps.
      starter: whether to take the starter's experiments, which suit two cores.
      networks: folder of the pretrained networks; empty means the starter's.
      preferences: a preference set; empty asks a simulated population.
      pairs: that a simulated population is asked about.
      prompts: held-out captions that the models of "all" are compared on.
      seed: of every step.
    """

    name: str
    run_dir: str
    starter: bool = False
    networks: str = ""
    preferences: str = ""
    pairs: int = 8000
    prompts: int = 160
    seed: int = 0

    def __post_init__(self) -> None:
        if self.name not in RECIPES:
            raise errors.InputError(
                f"Recipes are {', '.join(RECIPES)}; got {self.name!r}."
            )
        path = str(pathlib.Path(self.run_dir or "."))
        if path == "." or ":/" in path:
            raise errors.InputError(
                f"A recipe runs in a folder of this machine; got {self.run_dir!r}. "
                "Set --run_dir, or run its steps one by one (--print_commands)."
            )
        # One spelling, so that the same folder is the same run.
        object.__setattr__(self, "run_dir", path)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """One step: commands, and the file that the last of them leaves."""

    name: str
    output: str
    commands: tuple[tuple[str, ...], ...]


def steps(config: RecipeConfig) -> list[Step]:
    """Returns the steps of a recipe, in order; nothing is run."""
    made = _Steps(config)
    wanted = RECIPES[:-1] if config.name == "all" else (config.name,)
    found: list[Step] = []
    if {"r", "ru"} & set(wanted):
        found.append(made.policy("r"))
    if {"u", "ru", "joint"} & set(wanted):
        if not config.preferences:
            found.append(made.asked())
        found.append(made.model())
    found += [made.policy(name) for name in wanted if name != "r"]
    if config.name == "all":
        asked = made.population()
        found += [made.compared(wanted, asked)] if asked else []
        found.append(made.reported(wanted, compared=bool(asked)))
    return found


def run(
    config: RecipeConfig,
    gin_files: recipe_inputs.GinFiles = recipe_inputs.no_gin_files,
) -> list[str]:
    """Runs what is missing; returns the names of the steps that ran.

    Args:
      config: of the recipe.
      gin_files: finds the experiments, whose contents each step's record keeps.

    Raises:
      InputError: where the folder was begun with other settings, networks, preferences
        or gin files, or a step refused its input.
      TemporaryError: a step failed; the same command tries it again.
      Preempted: asked to stop; the same command goes on.
    """
    _check_inputs(config)
    folder = pathlib.Path(config.run_dir)
    if folder.exists() and not folder.is_dir():
        raise errors.InputError(
            f"A recipe needs a folder; {folder} is a file. Set another --run_dir."
        )
    folder.mkdir(parents=True, exist_ok=True)
    with stopping.StopRequest() as stop:
        chain = [
            stages.Stage(
                name=step.name,
                output=folder / step.output,
                settings=_settings(config, step),
                run=_runner(step, stop),
                inputs=recipe_inputs.of_step(
                    step.commands,
                    networks=config.networks,
                    preferences=config.preferences,
                    gin_files=gin_files,
                ),
            )
            for step in steps(config)
        ]
        return stages.run_chain(chain, folder / "steps")


def commands(config: RecipeConfig) -> list[str]:
    """Returns every command of a recipe, ready for a shell."""
    return [
        shlex.join(("musicrl", *words))
        for step in steps(config)
        for words in step.commands
    ]


class _Steps:
    """Makes the steps of one recipe."""

    def __init__(self, config: RecipeConfig) -> None:
        self._config = config
        self._suffix = "_starter" if config.starter else ""

    def policy(self, name: str) -> Step:
        """Returns the step that fine-tunes and chooses the policy `name`."""
        bindings: list[str] = []
        if self._config.networks:
            bindings.append(f"RunConfig.networks={self._config.networks!r}")
        if name == "ru":
            bindings.append(f"RunConfig.policy={self._path('r.safetensors')!r}")
        if name != "r":
            model = self._path("preference.safetensors")
            bindings.append(f"RewardConfig.preference_weights={model!r}")
        tune = ("finetune", *self._file(f"musicrl_{name}"))
        tune += ("--run_dir", self._path(name), *self._seed(), *_params(bindings))
        choose = ("select", self._path(name), "--score", "total")
        choose += ("--out", self._path(f"{name}.safetensors"))
        return Step(name=name, output=f"{name}.safetensors", commands=(tune, choose))

    def asked(self) -> Step:
        """Returns the step that asks a simulated population."""
        words = ("preferences", *self._file("simulated_preferences", always=True))
        words += ("--out", self._path("preferences"), *self._networks(), *self._seed())
        words += ("--captions", str(self._config.pairs))
        return Step(
            name="preferences", output="preferences/pairs.jsonl", commands=(words,)
        )

    def model(self) -> Step:
        """Returns the step that trains the preference model."""
        words = ("pretrain", "preference", *self._file("pretrain_preference"))
        pairs = self._config.preferences or self._path("preferences")
        words += ("--preferences", pairs, *self._networks(), *self._seed())
        words += ("--run_dir", self._path("preference"))
        words += ("--out", self._path("preference.safetensors"))
        return Step(
            name="preference", output="preference.safetensors", commands=(words,)
        )

    def population(self) -> str:
        """Returns the file of the simulated users that chose; empty for people."""
        if not self._config.preferences:
            return self._path(f"preferences/{POPULATION}")
        given = pathlib.Path(self._config.preferences) / POPULATION
        return str(given) if given.is_file() else ""

    def compared(self, names: Iterable[str], users: str) -> Step:
        """Returns the step that lets the population vote between the policies."""
        words = ("population", *self._file("population", always=True))
        base = network_files.directory(self._config.networks) / "musiclm.safetensors"
        words += ("--policy", f"base={base}")
        for name in names:
            words += ("--policy", f"{name}={self._path(f'{name}.safetensors')}")
        words += ("--population", users, *self._networks(), *self._seed())
        words += ("--prompts", str(self._config.prompts))
        words += ("--out", self._path("population"))
        return Step(
            name="population", output="population/population.json", commands=(words,)
        )

    def reported(self, names: Iterable[str], *, compared: bool) -> Step:
        """Returns the step that draws the report."""
        words = ("report", *(self._path(name) for name in names))
        if compared:
            words += ("--population", self._path("population/population.json"))
        words += ("--out", self._path("report"))
        return Step(name="report", output="report/report.html", commands=(words,))

    def _file(self, name: str, *, always: bool = False) -> tuple[str, ...]:
        """Returns the experiment; `always` where only the starter's is needed."""
        if always and not self._config.starter:
            return ()
        return ("--gin_file", f"{name}{self._suffix}")

    def _path(self, name: str) -> str:
        return str(pathlib.Path(self._config.run_dir) / name)

    def _networks(self) -> tuple[str, ...]:
        networks = self._config.networks
        return ("--networks", networks) if networks else ()

    def _seed(self) -> tuple[str, ...]:
        return ("--seed", str(self._config.seed))


def _params(bindings: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for one in bindings for word in ("--gin_param", one))


def _settings(config: RecipeConfig, step: Step) -> dict[str, object]:
    """Returns what a step depends on; a folder that is moved stays the same run."""
    here = f"{config.run_dir}/"
    words = [shlex.join(words) for words in step.commands]
    return {"commands": [x.replace(here, "RUN_DIR/") for x in words]}


def _check_inputs(config: RecipeConfig) -> None:
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


def _runner(step: Step, stop: Callable[[], bool]) -> Callable[[], None]:
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
