"""Commands of reinforcement learning: all roles on one machine, or one of them."""

from typing import Annotated

import typer

from musicrl_jax.cli import options, output, running

Actor = Annotated[int, typer.Option("--actor_id", help="Number of this actor.")]

Coordinator = Annotated[
    str,
    typer.Option(
        "--coordinator",
        help="HOST:PORT of process 0, where a learner spans hosts; see launch/.",
        show_default=False,
    ),
]
NumProcesses = Annotated[
    int | None,
    typer.Option("--num_processes", min=1, help="Processes of it, one a host."),
]
ProcessId = Annotated[
    int | None, typer.Option("--process_id", min=0, help="Number of this one.")
]


def finetune(
    run_dir: options.RunDir = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Fine-tune with rewards: all roles on this machine."""
    fields = {"run_dir": run_dir, "seed": seed}
    running.run("finetune", gin_file, gin_param, fields, as_json=json)


def learner(
    run_dir: options.RunDir = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    coordinator: Coordinator = "",
    num_processes: NumProcesses = None,
    process_id: ProcessId = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Run the learner of a run: trajectories in, policies out."""
    from musicrl_jax.runs import hosts

    place = hosts.Hosts(
        coordinator=coordinator, num_processes=num_processes, process_id=process_id
    )
    fields = {"run_dir": run_dir, "seed": seed}
    with hosts.joined(place, output.end_at_once):
        running.run("learner", gin_file, gin_param, fields, as_json=json)


def actor(
    actor_id: Actor = 0,
    run_dir: options.RunDir = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Run an actor of a run: policies in, scored clips out."""
    fields = {"run_dir": run_dir, "seed": seed, "actor_id": actor_id}
    running.run("actor", gin_file, gin_param, fields, as_json=json)


def evaluator(
    run_dir: options.RunDir = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Run the evaluator of a run: policies in, scores out."""
    fields = {"run_dir": run_dir, "seed": seed}
    running.run("evaluator", gin_file, gin_param, fields, as_json=json)


COMMANDS = (finetune, learner, actor, evaluator)
