"""`musicrl launch tpu_vm`: one role of a run on a Cloud TPU slice."""

import pathlib
import re
import shlex
import tempfile
from typing import TYPE_CHECKING, Annotated

import typer

from musicrl_jax.cli import launch_options, options, output
from musicrl_jax.core import errors

if TYPE_CHECKING:
    from musicrl_jax.runs import gcloud
    from musicrl_jax.runs import tpu_vm as slices

Role = launch_options.Role
Name = Annotated[
    str, typer.Option("--name", help="Of the slice: up to 61 of a-z, 0-9 and -.")
]
Zone = Annotated[str, typer.Option("--zone", help="Such as us-east5-a.")]
Topology = Annotated[str, typer.Option("--topology", help="Such as v5e:4x4.")]
Project = Annotated[str, typer.Option("--project", help="Default: gcloud's own.")]
ActorId = Annotated[int, typer.Option("--actor_id", min=0, help="Number of an actor.")]
Spot = Annotated[bool, typer.Option("--spot", help="Cheaper, but may be taken away.")]
Account = Annotated[
    str, typer.Option("--service_account", help="With rights on the bucket.")
]
Tries = Annotated[int, typer.Option("--tries", min=1, help="Starts of the role.")]
WaitSeconds = Annotated[
    float, typer.Option("--wait_seconds", help="Longest wait for a slice.")
]
PollSeconds = Annotated[
    float, typer.Option("--poll_seconds", help="Pause between two looks.")
]
Delete = Annotated[bool, typer.Option("--delete", help="Only give the slice back.")]
DeleteWhenDone = Annotated[
    bool,
    typer.Option(
        "--delete_when_done", help="Give the slice back in the end, also a bad one."
    ),
]
SharedRunDir = Annotated[
    bool,
    typer.Option(
        "--shared_run_dir", help="--run_dir is a path that all slices have mounted."
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry_run", help="Print gcloud's lines; run none.")
]


def tpu_vm(
    role: Annotated[Role, typer.Argument(help="What the slice runs.")],
    name: Name,
    zone: Zone,
    topology: Topology,
    run_dir: launch_options.RunUrl,
    project: Project = "",
    actor_id: ActorId = 0,
    spot: Spot = False,
    service_account: Account = "",
    tries: Tries = 10,
    wait_seconds: WaitSeconds = 21600.0,
    poll_seconds: PollSeconds = 60.0,
    delete: Delete = False,
    delete_when_done: DeleteWhenDone = False,
    shared_run_dir: SharedRunDir = False,
    dry_run: DryRun = False,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
) -> None:
    """Run one role on a Cloud TPU slice, again after each pre-emption."""
    from musicrl_jax.planning import tpu_topology
    from musicrl_jax.runs import gcloud
    from musicrl_jax.runs import tpu_vm as slices

    _check_shared(run_dir, mounted=shared_run_dir, needed=not delete)
    slice_ = tpu_topology.parse(topology, one_host_for=_alone(role))
    arguments: tuple[str, ...] = ()
    if not delete:
        arguments = launch_options.role_arguments(
            role, run_dir, gin_file, gin_param, slice_.chips
        )
    commands = gcloud.Commands(
        name=name,
        zone=zone,
        project=project,
        topology=slice_,
        role=role,
        arguments=(*arguments, *_number(role, actor_id)),
        spot=spot,
        service_account=service_account,
    )
    limits = slices.Limits(
        tries=tries, wait_seconds=wait_seconds, poll_seconds=poll_seconds
    )
    log = pathlib.Path(f"{name}_role.log") if delete_when_done else None
    if dry_run:
        lines = gcloud.smooth(commands, delete=delete, last=delete_when_done)
        print("\n".join(map(shlex.join, lines)))
    else:
        _run(commands, limits, log, delete=delete)


def _alone(role: Role) -> str:
    """Returns the role if it runs on one host, nothing if on several."""
    return "" if role == Role.LEARNER else role


def _check_shared(run_dir: str, *, mounted: bool, needed: bool) -> None:
    """Refuses a directory that only one machine would see.

    Raises:
      InputError: it is no bucket, and nobody says that it is mounted everywhere.
    """
    if (
        not needed
        or re.match(r"gs://[^/\s]", run_dir)
        or (mounted and run_dir.startswith("/"))
    ):
        return
    raise errors.InputError(
        f"The hosts and roles of a run on slices must share --run_dir; got {run_dir}. "
        "Use gs://BUCKET/RUN, or an absolute path that all of them have mounted with "
        "--shared_run_dir."
    )


def _number(role: Role, actor_id: int) -> tuple[str, ...]:
    """Returns the arguments that tell an actor from others."""
    return ("--actor_id", str(actor_id)) if role == Role.ACTOR else ()


def _run(
    commands: "gcloud.Commands",
    limits: "slices.Limits",
    log: pathlib.Path | None,
    *,
    delete: bool,
) -> None:
    """Sends the checkout along and watches the role, or only gives the slice back."""
    from musicrl_jax.runs import gcloud, gcloud_calls, packed_checkout
    from musicrl_jax.runs import tpu_vm as slices

    machine = slices.TpuVm(
        commands=commands,
        call=gcloud_calls.call,
        limits=limits,
        report=output.error,
        log=log,
    )
    if delete:
        machine.delete()
        return
    with tempfile.TemporaryDirectory() as folder:
        archive = pathlib.Path(folder) / gcloud.ARCHIVE
        packed_checkout.pack(archive)
        machine.run(archive)
