"""`musicrl recipe`: the paper's recipes from end to end."""

import enum
from typing import Annotated

import typer

from musicrl_jax.cli import options, output


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
    networks: Annotated[
        str,
        typer.Option(
            "--networks", help="Folder of networks.", show_default="the starter"
        ),
    ] = "",
    preferences: Annotated[
        str,
        typer.Option(
            "--preferences",
            help="A preference set.",
            show_default="simulated users choose",
        ),
    ] = "",
    print_commands: Annotated[
        bool, typer.Option("--print_commands", help="Print the steps, run nothing.")
    ] = False,
    seed: options.Seed = None,
) -> None:
    """Run a recipe of the paper: fine-tune, choose, ask, fine-tune again."""
    from musicrl_jax.cli import gin_files
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
    if print_commands:
        for line in recipes.commands(config):
            output.show(line, as_json=False)
        return
    recipes.run(config, gin_files.with_includes)
    output.show(f"{run_dir}: recipe {name.value} is done.", as_json=False)


COMMANDS = (recipe,)
