"""Commands that turn recordings and texts into manifests and captions."""

import pathlib
from typing import Annotated

import typer

from musicrl_jax.cli import options, output, running
from musicrl_jax.core import errors

MusicCaps = Annotated[
    str | None, typer.Option("--musiccaps", help="musiccaps-public.csv.")
]
Descriptions = Annotated[
    str | None,
    typer.Option("--descriptions", help="Texts of a language model, one a line."),
]
Prompts = Annotated[
    str | None, typer.Option("--prompts", help="What users typed, one a line.")
]


def captions(
    text: Annotated[
        pathlib.Path | None, typer.Argument(help="Text file with one caption a line.")
    ] = None,
    out: Annotated[
        str, typer.Option("--out", help="Caption file to write.")
    ] = "captions.jsonl",
    descriptions: Descriptions = None,
    musiccaps: MusicCaps = None,
    prompts: Prompts = None,
    mixture: Annotated[
        str | None, typer.Option("--mixture", help="Rates: descriptions=4,prompts=1.")
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="train or held_out.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", min=0, help="Captions; 0 for each once.")
    ] = None,
    max_bad_share: options.MaxBadShare = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Turn a text file, or a mixture of sources, into prompts of a run.

    A mixture needs the packages of requirements-data.lock.
    """
    fields = {
        "descriptions": descriptions,
        "musiccaps": musiccaps,
        "prompts": prompts,
        "mixture": mixture,
        "split": split,
        "count": count,
        "max_bad_share": max_bad_share,
        "seed": seed,
    }
    mixed = any(value is not None for value in fields.values()) or gin_file or gin_param
    if bool(mixed) == (text is not None):
        raise errors.InputError(
            "Captions come from one text file, or from --descriptions, --musiccaps and "
            f"--prompts; got {'both' if mixed else 'neither'}. Give one of them."
        )
    if text is None:
        fields = {"out": out} | fields
        running.run("captions", gin_file, gin_param, fields, as_json=json)
    else:
        output.show(_lines_to_captions(text, pathlib.Path(out)), as_json=json)


def _lines_to_captions(text: pathlib.Path, out: pathlib.Path) -> dict[str, object]:
    """Writes the lines of a text file as captions; returns what was written."""
    from musicrl_jax.data import captions as caption_files

    try:
        lines = text.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise errors.InputError(
            f"Captions must be UTF-8 text; {text} is not ({error.reason}). Convert it."
        ) from error
    written = [line.strip() for line in lines if line.strip()]
    content_hash = caption_files.build_caption_file(written, out)
    return {"out": out, "captions": len(written), "hash": content_hash}


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
    max_bad_share: options.MaxBadShare = None,
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
    descriptions: Descriptions = None,
    musiccaps: MusicCaps = None,
    prompts: Prompts = None,
    max_bad_share: options.MaxBadShare = None,
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


COMMANDS = (manifest, captions, pool)
