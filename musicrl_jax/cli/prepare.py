"""Commands that prepare a model: corpus, tokens, networks, the starter."""

import enum
from typing import Annotated

import typer

from musicrl_jax.cli import options, running

Manifest = Annotated[
    str | None, typer.Option("--manifest", help="Audio and captions, as JSON lines.")
]
Networks = Annotated[
    str | None, typer.Option("--networks", help="Folder of trained networks.")
]
Material = Annotated[
    str | None,
    typer.Option(
        "--manifest",
        "--tokens",
        "--ratings",
        "--preferences",
        help="Manifest; for musiclm, tokens; for quality, ratings; for preference, "
        "a preference set.",
    ),
]


class Network(enum.StrEnum):
    """What `musicrl pretrain` can train."""

    CODEC = "codec"
    SOUNDSTREAM = "soundstream"
    SEMANTIC = "semantic"
    MULAN = "mulan"
    MUSICLM = "musiclm"
    ATTRIBUTES = "attributes"
    PREFERENCE = "preference"
    QUALITY = "quality"
    SOUNDSTORM = "soundstorm"


MATERIAL = {
    Network.MUSICLM: "tokens",
    Network.PREFERENCE: "preferences",
    Network.QUALITY: "ratings",
}
"""What the networks that do not read a manifest call what they read."""


def corpus(
    out: Annotated[
        str | None, typer.Option("--out", help="Folder for clips and manifest.")
    ] = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Compose, caption and render the procedural corpus."""
    fields = {"out_dir": out, "seed": seed}
    running.run("corpus", gin_file, gin_param, fields, as_json=json)


def tokenize(
    manifest: Manifest = None,
    networks: Networks = None,
    out: Annotated[
        str | None, typer.Option("--out", help="Folder for the shards of tokens.")
    ] = None,
    shards: Annotated[
        int | None, typer.Option("--shards", min=1, help="Files to write.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Clips decoded at once.")
    ] = None,
    part: Annotated[
        int | None,
        typer.Option("--part", min=0, help="Of the shards, for this process; 0 first."),
    ] = None,
    parts: Annotated[
        int | None, typer.Option("--parts", min=1, help="Processes that share the job.")
    ] = None,
    max_bad_share: options.MaxBadShare = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    json: options.Json = False,
) -> None:
    """Turn audio and captions into tokens, once; goes on where it was stopped."""
    fields = {
        "manifest": manifest,
        "networks": networks,
        "out": out,
        "shards": shards,
        "workers": workers,
        "part": part,
        "parts": parts,
        "max_bad_share": max_bad_share,
    }
    running.run("tokenize", gin_file, gin_param, fields, as_json=json)


def ratings(
    manifest: Manifest = None,
    out: Annotated[
        str | None, typer.Option("--out", help="Folder for clips and ratings.")
    ] = None,
    codec: Annotated[
        str | None, typer.Option("--codec", help="Weights whose artefacts are rated.")
    ] = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Degrade recordings and rate them with simulated raters."""
    fields = {"manifest": manifest, "out_dir": out, "codec": codec, "seed": seed}
    running.run("ratings", gin_file, gin_param, fields, as_json=json)


def pretrain(
    network: Annotated[Network, typer.Argument(help="Which network to train.")],
    run_dir: options.RunDir = None,
    manifest: Material = None,
    networks: Annotated[
        str | None,
        typer.Option(
            "--networks",
            help="For soundstorm, folder of the codec; for preference, of MusicLM.",
        ),
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", help="Weights file to write.")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write run_dir/tensorboard too.")
    ] = False,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Train one network from audio and captions."""
    if tensorboard:
        from musicrl_jax.runs import tensorboard as board

        board.require()
    fields = {
        "run_dir": run_dir,
        MATERIAL.get(network, "manifest"): manifest,
        "networks": networks,
        "out": out,
        "PretrainConfig.seed": seed,
        "PretrainConfig.tensorboard": tensorboard or None,
    }
    running.run(f"pretrain_{network}", gin_file, gin_param, fields, as_json=json)


def ablations(
    preferences: Annotated[str, typer.Option("--preferences", help="Preference set.")],
    run_dir: Annotated[
        str | None,
        typer.Option(
            "--run_dir",
            help="Directory of the run; resumed if it exists.",
            show_default="starter_run/ablations",
        ),
    ] = None,
    networks: options.Networks = None,
    quality: Annotated[
        str | None,
        typer.Option(
            "--quality",
            help="Weights of a quality estimator.",
            show_default="beside the networks, if any",
        ),
    ] = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Compare preference models without text or length, and other rewards."""
    fields = {
        "run_dir": run_dir,
        "quality_weights": quality,
        "PretrainPreferenceConfig.preferences": preferences,
        "PretrainPreferenceConfig.networks": networks,
        "PretrainConfig.seed": seed,
    }
    running.run("ablations", gin_file, gin_param, fields, as_json=json)


def starter(
    run_dir: options.RunDir = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Train all networks of the starter model."""
    fields = {"run_dir": run_dir, "seed": seed}
    running.run("starter", gin_file, gin_param, fields, as_json=json)


COMMANDS = (
    corpus,
    tokenize,
    ratings,
    pretrain,
    ablations,
    starter,
)
