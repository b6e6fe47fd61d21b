"""The steps of the paper's recipes, and the commands of each."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from musicrl_jax.core import errors
from musicrl_jax.runs import network_files

POPULATION = "simulated_population.json"
RECIPES = ("r", "u", "ru", "joint", "all")


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
      gin_params: bindings of steps, over their gin files, by the step's name.
    """

    name: str
    run_dir: str
    starter: bool = False
    networks: str = ""
    preferences: str = ""
    pairs: int = 8000
    prompts: int = 160
    seed: int = 0
    gin_params: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)

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
    """One step.

    Attributes:
      name: of the step.
      output: the file that the last command leaves, in the recipe's folder.
      commands: words after `musicrl`.
      after: names of the steps whose output the commands read.
      whole: whether the output appears whole or not at all, and is not made again
        where it is.
    """

    name: str
    output: str
    commands: tuple[tuple[str, ...], ...]
    after: tuple[str, ...] = ()
    whole: bool = False


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
    return [with_params(step, config.gin_params.get(step.name, ())) for step in found]


def with_params(step: Step, params: Sequence[str]) -> Step:
    """Returns a step whose first command has further bindings."""
    first, *others = step.commands
    return dataclasses.replace(step, commands=((*first, *_params(params)), *others))


class _Steps:
    """Makes the steps of one recipe."""

    def __init__(self, config: RecipeConfig) -> None:
        self._config = config
        self._suffix = "_starter" if config.starter else ""

    def policy(self, name: str) -> Step:
        """Returns the step that fine-tunes and chooses the policy `name`."""
        bindings: list[str] = []
        after = {"r": (), "ru": ("r", "preference")}.get(name, ("preference",))
        if self._config.networks:
            bindings.append(f"RunConfig.networks={self._config.networks!r}")
        if "r" in after:
            bindings.append(f"RunConfig.policy={self._path('r.safetensors')!r}")
        if "preference" in after:
            model = self._path("preference.safetensors")
            bindings.append(f"RewardConfig.preference_weights={model!r}")
        tune = ("finetune", *self._file(f"musicrl_{name}"))
        tune += ("--run_dir", self._path(name), *self._seed(), *_params(bindings))
        choose = ("select", self._path(name), "--score", "total")
        choose += ("--out", self._path(f"{name}.safetensors"))
        return Step(
            name=name,
            output=f"{name}.safetensors",
            commands=(tune, choose),
            after=after,
        )

    def asked(self) -> Step:
        """Returns the step that asks a simulated population."""
        words = ("preferences", *self._file("simulated_preferences", always=True))
        words += ("--out", self._path("preferences"), *self._networks(), *self._seed())
        words += ("--captions", str(self._config.pairs))
        return Step(
            name="preferences",
            output="preferences/pairs.jsonl",
            commands=(words,),
            whole=True,
        )

    def model(self) -> Step:
        """Returns the step that trains the preference model."""
        words = ("pretrain", "preference", *self._file("pretrain_preference"))
        pairs = self._config.preferences or self._path("preferences")
        words += ("--preferences", pairs, *self._networks(), *self._seed())
        words += ("--run_dir", self._path("preference"))
        words += ("--out", self._path("preference.safetensors"))
        return Step(
            name="preference",
            output="preference.safetensors",
            commands=(words,),
            after=self._asked(),
        )

    def population(self) -> str:
        """Returns the file of the simulated users that chose; empty for people."""
        if not self._config.preferences:
            return self._path(f"preferences/{POPULATION}")
        given = pathlib.Path(self._config.preferences) / POPULATION
        return str(given) if given.is_file() else ""

    def compared(self, names: Sequence[str], users: str) -> Step:
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
            name="population",
            output="population/population.json",
            commands=(words,),
            after=(*self._asked(), *names),
            whole=True,
        )

    def reported(self, names: Sequence[str], *, compared: bool) -> Step:
        """Returns the step that draws the report."""
        words = ("report", *(self._path(name) for name in names))
        if compared:
            words += ("--population", self._path("population/population.json"))
        words += ("--out", self._path("report"))
        return Step(
            name="report",
            output="report/report.html",
            commands=(words,),
            after=(*names, *(("population",) if compared else ())),
        )

    def _asked(self) -> tuple[str, ...]:
        return () if self._config.preferences else ("preferences",)

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
