"""`musicrl launch gke`: prints the manifests of a run."""

import json
from typing import Annotated

import typer

from musicrl_jax.cli import launch_options, options

Name = Annotated[
    str, typer.Option("--name", help="Of the objects: up to 30 of a-z, 0-9 and -.")
]
Image = Annotated[str, typer.Option("--image", help="Container image.")]
Learner = Annotated[
    str, typer.Option("--learner", help="The learner's slice, such as v5e:4x4.")
]
Actor = Annotated[str, typer.Option("--actor", help="Slice of each actor: one host.")]
Evaluator = Annotated[
    str, typer.Option("--evaluator", help="The evaluator's slice (default: --actor).")
]
Actors = Annotated[int, typer.Option("--actors", min=1, help="Number of actors.")]
FirstActor = Annotated[
    int, typer.Option("--first_actor", min=0, help="Number of the first actor.")
]
Roles = Annotated[
    list[launch_options.Role] | None,
    typer.Option("--role", help="Only this role; repeatable.", show_default=False),
]
Apart = Annotated[bool, typer.Option("--apart", help="A JobSet for each process.")]
Spot = Annotated[
    bool, typer.Option("--spot/--no-spot", help="Spot nodes, but for the learner.")
]
Queue = Annotated[str, typer.Option("--queue", help="Kueue's local queue.")]
Namespace = Annotated[str, typer.Option("--namespace", help="Of the objects.")]
Account = Annotated[
    str, typer.Option("--service_account", help="With rights on the bucket.")
]
Restarts = Annotated[
    int, typer.Option("--restarts", min=0, help="Of failed jobs, in all.")
]


def gke(
    name: Name,
    image: Image,
    run_dir: launch_options.RunUrl,
    learner: Learner,
    actor: Actor,
    evaluator: Evaluator = "",
    actors: Actors = 4,
    first_actor: FirstActor = 0,
    role: Roles = None,
    apart: Apart = False,
    spot: Spot = True,
    queue: Queue = "",
    namespace: Namespace = "default",
    service_account: Account = "default",
    restarts: Restarts = 20,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
) -> None:
    """Print the JobSets of a run, for `kubectl apply --filename -`."""
    from musicrl_jax.planning import tpu_topology
    from musicrl_jax.runs import gke_config, gke_manifests

    roles = tuple(role or gke_config.ROLES)
    chips = tpu_topology.parse(learner).chips if "learner" in roles else 0
    config = gke_config.GkeConfig(
        name=name,
        image=image,
        run_dir=run_dir,
        learner=learner,
        actor=actor,
        evaluator=evaluator,
        gin_files=launch_options.checked_files(
            run_dir, gin_file, gin_param, chips=chips
        ),
        gin_params=tuple(gin_param or ()),
        actors=actors,
        first_actor=first_actor,
        roles=roles,
        apart=apart,
        spot=spot,
        queue=queue,
        namespace=namespace,
        service_account=service_account,
        restarts=restarts,
    )
    print(json.dumps(gke_manifests.render(config), indent=2))
