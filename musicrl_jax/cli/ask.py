"""Commands that ask which of two clips is better: people's votes, simulated users."""

import enum
from typing import Annotated

import typer

from musicrl_jax.cli import options, running

Networks = Annotated[
    str | None,
    typer.Option("--networks", help="Folder of networks (default: starter)."),
]
Seconds = Annotated[
    float | None, typer.Option("--seconds", help="Length of each clip.")
]
Population = Annotated[
    str | None,
    typer.Option("--population", help="simulated_population.json of another set."),
]


class Source(enum.StrEnum):
    """Where preferences come from."""

    SIMULATED = "simulated"
    IMPORT = "import"


def preferences(
    source: Annotated[
        Source, typer.Argument(help="A simulated population, or public votes.")
    ] = Source.SIMULATED,
    out: Annotated[
        str | None, typer.Option("--out", help="Folder of the preference set.")
    ] = None,
    networks: Networks = None,
    seconds: Seconds = None,
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", help="simulated: weights of a model; repeatable."),
    ] = None,
    captions: Annotated[
        int | None, typer.Option("--captions", min=1, help="simulated: pairs to make.")
    ] = None,
    population: Population = None,
    audio: Annotated[
        str | None, typer.Option("--audio", help="import: folder of the recordings.")
    ] = None,
    music_arena: Annotated[
        str | None, typer.Option("--music_arena", help="import: folder of battles.")
    ] = None,
    aime: Annotated[
        str | None, typer.Option("--aime", help="import: AIME-survey as CSV or JSONL.")
    ] = None,
    cmi_pref: Annotated[
        str | None, typer.Option("--cmi_pref", help="import: CMI-Pref as JSONL.")
    ] = None,
    musiceval: Annotated[
        str | None, typer.Option("--musiceval", help="import: a *_mos_list.txt.")
    ] = None,
    songeval: Annotated[
        str | None, typer.Option("--songeval", help="import: metadata.jsonl.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", help="import: where none is known.")
    ] = None,
    licences: Annotated[
        list[str] | None,
        typer.Option("--licences", help="import: keep this one only; repeatable."),
    ] = None,
    min_seconds: Annotated[
        float | None,
        typer.Option("--min_seconds", min=0, help="import: listened to each clip."),
    ] = None,
    max_bad_share: options.MaxBadShare = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Collect preferences between clips: simulated ones, or public votes.

    Simulated users have a hidden taste; they stand in for people in tests and demos.
    """
    simulated = {
        "policies": tuple(policy) if policy else None,
        "captions": captions,
        "population": population,
        "seed": seed,
    }
    imported = {
        "audio": audio,
        "music_arena": music_arena,
        "aime": aime,
        "cmi_pref": cmi_pref,
        "musiceval": musiceval,
        "songeval": songeval,
        "licence": licence,
        "licences": tuple(licences) if licences else None,
        "min_seconds": min_seconds,
        "max_bad_share": max_bad_share,
    }
    # An option of the other source is refused as no field of this one's config.
    fields = {"out": out} | simulated | imported
    if source is Source.IMPORT:
        fields |= {"networks": networks, "seconds": seconds}
        command = "import_preferences"
    else:
        fields |= {"TraitConfig.networks": networks, "TraitConfig.seconds": seconds}
        command = "preferences"
    running.run(command, gin_file, gin_param, fields, as_json=json)


def population(
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", help="name=weights file of a model; repeatable."),
    ] = None,
    population: Population = None,
    out: Annotated[str | None, typer.Option("--out", help="Folder to write.")] = None,
    prompts: Annotated[
        int | None, typer.Option("--prompts", min=2, help="Held-out prompts to use.")
    ] = None,
    networks: Networks = None,
    seconds: Seconds = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Ask a simulated population which of several models it likes better."""
    fields = {
        "policies": tuple(policy) if policy else None,
        "population": population,
        "out": out,
        "prompts": prompts,
        "TraitConfig.networks": networks,
        "TraitConfig.seconds": seconds,
        "seed": seed,
    }
    running.run("population", gin_file, gin_param, fields, as_json=json)


COMMANDS = (preferences, population)
