"""`musicrl plan`: what a run needs of a pod, before it is rented."""

from typing import Annotated, Any

import typer

from musicrl_jax.cli import options, output, running


def plan(
    topology: Annotated[
        str | None,
        typer.Option(
            "--topology", help="Of the learner (of one slice): v5e:4x4, or h100:8."
        ),
    ] = None,
    program: Annotated[
        list[str] | None,
        typer.Option("--program", help="update, sample or rewards; default: all."),
    ] = None,
    search: Annotated[
        bool,
        typer.Option("--search", help="Try meshes and parts of the update's batch."),
    ] = False,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    json: options.Json = False,
) -> None:
    """Say what a run's programs need of devices that are not here.

    For TPUs they are compiled; for GPUs (a100, h100 or h200, as in h100:8) and CPUs
    (cpu:1) they are lowered, which tells no temporaries and no traffic. A search keeps
    the batch, and the mesh axes that are not -1.
    """
    fields: dict[str, Any] = {
        "topology": topology,
        "programs": tuple(program) if program else None,
    }
    found = running.call(
        "plan_search" if search else "plan", gin_file, gin_param, fields
    )
    if json:
        output.show([row.fields() for row in found], as_json=True)
        return
    table = [row.short() for row in found]
    output.show([cells for cells in table if cells], as_json=False)
    for line in [row.advice for row in found if row.advice]:
        output.show(line, as_json=False)
    if search:
        output.show(found[0].recommendation, as_json=False)
    for line in dict.fromkeys(row.note for row in found):
        output.show(line, as_json=False)


COMMANDS = (plan,)
