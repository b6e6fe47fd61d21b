"""Commands that prepare a model: the data, its tokens, the networks, the starter."""

import enum
import pathlib
from typing import Annotated

import typer

from musicrl_jax.cli import options, output, running
from musicrl_jax.core import errors

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
        help="Manifest; for musiclm, token cache; for quality, ratings.",
    ),
]

MusicCaps = Annotated[
    str | None, typer.Option("--musiccaps", help="musiccaps-public.csv.")
]
MaxBadShare = Annotated[
    float | None,
    typer.Option(
        "--max_bad_share", min=0, max=1, help="Of the rows; beyond it, it fails."
    ),
]


class Network(enum.StrEnum):
    """What `musicrl pretrain` can train."""

    CODEC = "codec"
    SEMANTIC = "semantic"
    MULAN = "mulan"
    MUSICLM = "musiclm"
    ATTRIBUTES = "attributes"
    QUALITY = "quality"
    SOUNDSTORM = "soundstorm"


MATERIAL = {Network.MUSICLM: "tokens", Network.QUALITY: "ratings"}
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


def manifest(
    audio: Annotated[
        str | None, typer.Option("--audio", help="Folder of the recordings.")
    ] = None,
    out: Annotated[str | None, typer.Option("--out", help="Manifest to write.")] = None,
    musiccaps: MusicCaps = None,
    song_describer: Annotated[
        str | None, typer.Option("--song_describer", help="song_describer.csv.")
    ] = None,
    mtg_jamendo: Annotated[
        str | None,
        typer.Option("--mtg_jamendo", help="TSV file, such as autotagging.tsv."),
    ] = None,
    fma: Annotated[
        str | None, typer.Option("--fma", help="tracks.csv of the FMA data set.")
    ] = None,
    licences: Annotated[
        str | None, typer.Option("--licences", help="audio_licenses.txt.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", help="Of recordings that have no other.")
    ] = None,
    max_bad_share: MaxBadShare = None,
    partial: Annotated[
        bool | None,
        typer.Option(
            "--partial/--whole",
            help="Rows without a recording are left out without being bad.",
            show_default=False,
        ),
    ] = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    json: options.Json = False,
) -> None:
    """Write the manifest of a folder of audio, or of a public data set."""
    fields = {
        "audio": audio,
        "out": out,
        "musiccaps": musiccaps,
        "song_describer": song_describer,
        "mtg_jamendo": mtg_jamendo,
        "fma": fma,
        "licences": licences,
        "licence": licence,
        "max_bad_share": max_bad_share,
        "partial": partial,
    }
    running.run("manifest", gin_file, gin_param, fields, as_json=json)


def pool(
    out: Annotated[
        str | None, typer.Option("--out", help="Caption pool to write.")
    ] = None,
    descriptions: Annotated[
        str | None,
        typer.Option("--descriptions", help="Texts of a language model, one a line."),
    ] = None,
    musiccaps: MusicCaps = None,
    prompts: Annotated[
        str | None, typer.Option("--prompts", help="What users typed, one a line.")
    ] = None,
    max_bad_share: MaxBadShare = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    json: options.Json = False,
) -> None:
    """Split captions of several sources into training and held-out prompts."""
    fields = {
        "out": out,
        "descriptions": descriptions,
        "musiccaps": musiccaps,
        "prompts": prompts,
        "max_bad_share": max_bad_share,
    }
    running.run("pool", gin_file, gin_param, fields, as_json=json)


def tokenize(
    manifest: Manifest = None,
    networks: Networks = None,
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
        typer.Option("--networks", help="For soundstorm: folder of the codec."),
    ] = None,
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
        MATERIAL.get(network, "manifest"): manifest,
        "networks": networks,
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


COMMANDS = (
    corpus,
    manifest,
    captions,
    pool,
    tokenize,
    ratings,
    pretrain,
    starter,
)
