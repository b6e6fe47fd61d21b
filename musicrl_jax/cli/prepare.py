"""Commands that prepare a model: the corpus, its tokens, the networks, the starter."""

import enum
import pathlib
from typing import Annotated

import typer

from musicrl_jax.cli import options, output, running
from musicrl_jax.core import errors

Manifest = Annotated[
    str | None, typer.Option("--manifest", help="Audio and captions, as JSON lines.")
]
Material = Annotated[
    str | None,
    typer.Option("--manifest", "--tokens", help="Manifest; for musiclm, token cache."),
]


class Network(enum.StrEnum):
    """What `musicrl pretrain` can train."""

    CODEC = "codec"
    SEMANTIC = "semantic"
    MULAN = "mulan"
    MUSICLM = "musiclm"
    ATTRIBUTES = "attributes"


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


def captions(
    text: Annotated[
        pathlib.Path, typer.Argument(help="Text file with one caption a line.")
    ],
    out: Annotated[
        pathlib.Path, typer.Option("--out", help="Caption file to write.")
    ] = pathlib.Path("captions.jsonl"),
    json: options.Json = False,
) -> None:
    """Turn a text file into prompts for `RunConfig.captions`."""
    from musicrl_jax.data import captions as caption_files

    try:
        lines = text.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise errors.InputError(
            f"Captions must be UTF-8 text; {text} is not ({error.reason}). Convert it."
        ) from error
    written = [line.strip() for line in lines if line.strip()]
    content_hash = caption_files.build_caption_file(written, out)
    result = {"out": out, "captions": len(written), "hash": content_hash}
    output.show(result, as_json=json)


def tokenize(
    manifest: Manifest = None,
    networks: Annotated[
        str | None, typer.Option("--networks", help="Folder of trained networks.")
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", help="Token cache to write.")
    ] = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    json: options.Json = False,
) -> None:
    """Turn audio and captions into tokens, once."""
    fields = {"manifest": manifest, "networks": networks, "out": out}
    running.run("tokenize", gin_file, gin_param, fields, as_json=json)


def pretrain(
    network: Annotated[Network, typer.Argument(help="Which network to train.")],
    run_dir: options.RunDir = None,
    manifest: Material = None,
    out: Annotated[
        str | None, typer.Option("--out", help="Weights file to write.")
    ] = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Train one network from audio and captions."""
    fields = {
        "run_dir": run_dir,
        "tokens" if network == Network.MUSICLM else "manifest": manifest,
        "out": out,
        "PretrainConfig.seed": seed,
    }
    running.run(f"pretrain_{network}", gin_file, gin_param, fields, as_json=json)


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


COMMANDS = (corpus, captions, tokenize, pretrain, starter)
