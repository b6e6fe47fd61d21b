"""`musicrl launch ...`: runs on other machines; the scripts of `launch/` end here."""

import typer

from musicrl_jax.cli import launch_gke, launch_tpu_vm

app = typer.Typer(
    name="launch",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Start the roles of a run on a cluster.",
)
app.command(name="gke")(launch_gke.gke)
app.command(name="tpu_vm")(launch_tpu_vm.tpu_vm)
