"""The configs of a recipe's steps, and the steps that a binding belongs to."""

import itertools
from collections.abc import Mapping, Sequence

from gin import config_parser

from musicrl_jax.cli import bindings, configurables, gin_files, running
from musicrl_jax.core import errors
from musicrl_jax.data import preference_choices
from musicrl_jax.runs import recipe_steps

_REQUIRED = {
    "--out": "out",
    "--population": "population",
    "--preferences": "preferences",
    "--run_dir": "run_dir",
}


def place(
    steps: Sequence[recipe_steps.Step], params: Sequence[str]
) -> Mapping[str, tuple[str, ...]]:
    """Returns the bindings of each step by its name: those of configs that it has.

    Raises:
      InputError: a binding does not parse, belongs to no step, or is refused by one.
    """
    bound = {param: _names(param) for param in params}
    placed: dict[str, tuple[str, ...]] = {}
    for step in steps:
        made = resolve(step)
        known = set() if made is None else _names(made.operative)
        placed[step.name] = tuple(x for x, names in bound.items() if names & known)
        resolve(recipe_steps.with_params(step, placed[step.name]))
    taken = set(itertools.chain.from_iterable(placed.values()))
    if lost := [param for param in bound if param not in taken]:
        raise errors.InputError(
            "Each --gin_param of a recipe must bind a config of one of its steps; "
            f"{lost[0]} binds none. Correct the name, or leave it out."
        )
    return placed


def selection(
    steps: Sequence[recipe_steps.Step],
) -> preference_choices.SelectionConfig | None:
    """Returns which pairs the preference step uses; None without that step."""
    for step in steps:
        if step.name == "preference" and (made := resolve(step)) is not None:
            return made.config.selection
    return None


def resolve(step: recipe_steps.Step) -> bindings.Resolved | None:
    """Returns the config that a step's first command makes; None where it has none.

    Raises:
      InputError: where that command would refuse its gin files and bindings.
    """
    words = step.commands[0]
    command = "_".join(words[:2]) if words[0] == "pretrain" else words[0]
    if command not in configurables.COMMANDS:
        return None
    given: dict[str, list[str]] = {}
    for option, value in itertools.pairwise(words):
        given.setdefault(option, []).append(value)
    required: dict[str, str | tuple[str, ...]] = {
        field: given[option][-1]
        for option, field in _REQUIRED.items()
        if option in given
    }
    if "--policy" in given:
        required["policies"] = tuple(given["--policy"])
    names = given.get("--gin_file") or [running.default_file(command, "")]
    return bindings.resolve(
        configurables.COMMANDS[command].config,
        [gin_files.find(name) for name in names],
        given.get("--gin_param", ()),
        required,
    )


def _names(text: str) -> set[str]:
    """Returns the configs that gin text binds arguments of."""
    return {
        statement.selector.split(".")[-1]
        for statement, _ in gin_files.statements(text, "--gin_param")
        if isinstance(statement, config_parser.BindingStatement) and statement.arg_name
    }
