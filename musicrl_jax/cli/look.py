"""Commands that only look: at configs, sizes, what networks learned, the machine."""

import enum
import importlib.metadata
import pathlib
import platform
import shutil
from typing import Annotated

import typer

from musicrl_jax.cli import configurables, options, output, running
from musicrl_jax.core import errors

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "tensorstore")


class Benchmark(enum.StrEnum):
    """What `musicrl bench` can measure."""

    SAMPLE = "sample"
    UPDATE = "update"
    PRETRAIN = "pretrain"
    REWARDS = "rewards"
    SYNC = "sync"
    SOUNDSTORM = "soundstorm"


def config(
    experiment: Annotated[
        str, typer.Argument(help="Name of an experiment, or path of a gin file.")
    ],
    gin_param: options.GinParams = None,
    json: options.Json = False,
) -> None:
    """Print every value that an experiment resolves to."""
    from musicrl_jax.cli import bindings, gin_files

    path = gin_files.find(experiment)
    usage = gin_files.scan([path], gin_param or ())
    roots = {command.config for command in configurables.COMMANDS.values()}
    bound = sorted(roots & usage.bound.keys() - usage.referenced.keys())
    if len(bound) != 1:
        raise errors.InputError(
            f"An experiment binds one of {', '.join(sorted(roots))}; "
            f"{path} binds {', '.join(bound) or 'none'}. Include one file of gin/runs."
        )
    resolved = bindings.resolve(bound[0], [path], gin_param or ())
    output.show(resolved.config if json else resolved.operative, as_json=json)


def describe(
    network: Annotated[
        str | None, typer.Argument(help="Such as musiclm; all if left out.")
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", help="tiny, starter or base; default: all.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Print how many parameters each network has in each of its sizes."""
    from musicrl_jax.cli import model_sizes

    rows = model_sizes.describe(network, size)
    if not json:
        rows = [model_sizes.short(row) for row in rows]
    output.show(rows, as_json=json)


def probe(
    manifest: Annotated[
        str | None, typer.Option("--manifest", help="Clips with attributes.")
    ] = None,
    networks: Annotated[
        str | None,
        typer.Option("--networks", help="Folder of networks (default: starter)."),
    ] = None,
    clips: Annotated[
        int | None, typer.Option("--clips", min=8, help="At most so many clips.")
    ] = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Ask linear probes what semantic and codec tokens tell of a clip."""
    fields = {
        "manifest": manifest,
        "networks": networks,
        "clips": clips,
        "seed": seed,
    }
    running.run("probe", gin_file, gin_param, fields, as_json=json)


def adherence(
    networks: Annotated[
        str | None,
        typer.Option("--networks", help="Folder of networks (default: starter)."),
    ] = None,
    prompts: Annotated[
        int | None, typer.Option("--prompts", min=2, help="Held-out captions to use.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="Length of each clip.")
    ] = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Measure whether clips fit their own captions better than others'."""
    fields = {
        "networks": networks,
        "prompts": prompts,
        "seconds": seconds,
        "seed": seed,
    }
    running.run("adherence", gin_file, gin_param, fields, as_json=json)


def distance(
    reference: Annotated[
        str | None, typer.Option("--reference", help="Folder of recordings.")
    ] = None,
    clips: Annotated[
        str | None, typer.Option("--clips", help="Folder of clips to compare.")
    ] = None,
    networks: Annotated[
        str | None,
        typer.Option("--networks", help="Folder of networks (default: starter)."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="Heard of each file.")
    ] = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Measure kernel and Fréchet audio distance, without the bias of few clips."""
    fields = {
        "reference": reference,
        "clips": clips,
        "networks": networks,
        "seconds": seconds,
        "seed": seed,
    }
    running.run("distance", gin_file, gin_param, fields, as_json=json)


def doctor(json: options.Json = False) -> None:
    """Report this machine's versions, devices, tools, disk."""
    import jax

    assets = pathlib.Path(__file__).parents[1] / "assets"
    found = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": ", ".join(str(device) for device in jax.devices()),
        "fluidsynth": shutil.which("fluidsynth")
        or "missing (only `musicrl corpus` needs it)",
        "starter": ", ".join(sorted(p.name for p in assets.glob("**/*.safetensors")))
        or "missing (train it with `make starter`)",
        "free disk": f"{shutil.disk_usage('.').free / 1e9:.1f} GB",
    }
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    output.show(found | versions, as_json=json)


def bench(
    part: Annotated[Benchmark, typer.Argument(help="What to measure.")],
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    json: options.Json = False,
) -> None:
    """Measure how fast a part runs on this machine."""
    fields = {} if part is Benchmark.SOUNDSTORM else {"part": part.value}
    running.run(f"bench_{part}", gin_file, gin_param, fields, as_json=json)


COMMANDS = (config, describe, probe, adherence, distance, doctor, bench)
