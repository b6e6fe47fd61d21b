"""`musicrl recipe`: the paper's recipes from end to end."""

import dataclasses
import enum
from typing import Annotated

import typer

from musicrl_jax.cli import options, output

Networks = Annotated[
    str,
    typer.Option("--networks", help="Folder of networks.", show_default="the starter"),
]
Preferences = Annotated[
    str,
    typer.Option(
        "--preferences",
        help="A preference set.",
        show_default="simulated users choose",
    ),
]
Params = Annotated[
    list[str] | None,
    typer.Option(
        "--gin_param",
        help="One binding, for each step that has its config; repeatable.",
        show_default=False,
    ),
]


class Recipe(enum.StrEnum):
    """What `musicrl recipe` can run."""

    R = "r"
    U = "u"
    RU = "ru"
    JOINT = "joint"
    ALL = "all"


def recipe(
    name: Annotated[Recipe, typer.Argument(help="r, u, ru, joint, or all of them.")],
    run_dir: Annotated[str, typer.Option("--run_dir", help="Folder of all steps.")],
    starter: Annotated[
        bool, typer.Option("--starter", help="The starter's sizes, for two cores.")
    ] = False,
    networks: Networks = "",
    preferences: Preferences = "",
    print_commands: Annotated[
        bool, typer.Option("--print_commands", help="Print the steps, run nothing.")
    ] = False,
    gin_param: Params = None,
    seed: options.Seed = None,
) -> None:
    """Run a recipe of the paper: fine-tune, choose, ask, fine-tune again."""
    from musicrl_jax.cli import gin_files, recipe_bindings
    from musicrl_jax.runs import recipe as recipes
    from musicrl_jax.runs import recipe_steps

    config = recipe_steps.RecipeConfig(
        name=name.value,
        run_dir=run_dir,
        starter=starter,
        networks=networks,
        preferences=preferences,
        seed=seed or 0,
    )
    if gin_param:
        placed = recipe_bindings.place(recipe_steps.steps(config), gin_param)
        config = dataclasses.replace(config, gin_params=placed)
    if print_commands:
        for line in recipes.commands(config):
            output.show(line, as_json=False)
        return
    steps = recipe_steps.steps(config)
    selection = recipe_bindings.selection(steps) if preferences else None
    recipes.run(config, gin_files.with_includes, selection)
    output.show(f"{run_dir}: recipe {name.value} is done.", as_json=False)


COMMANDS = (recipe,)
