"""Commands that ask which of two clips is better: people's votes, simulated users."""

from typing import Annotated

import typer

from musicrl_jax.cli import options, running

Seconds = Annotated[
    float | None,
    typer.Option("--seconds", help="Length of each clip.", show_default="20.0"),
]
SetOut = Annotated[str, typer.Option("--out", help="Folder of the preference set.")]
OwnVotes = Annotated[
    str | None,
    typer.Option(
        "--own",
        help="Your own votes, CSV or JSONL: prompt, audio_a, audio_b, choice, user.",
    ),
]
MusicArena = Annotated[
    str | None, typer.Option("--music_arena", help="Folder of battles as JSON files.")
]
Aime = Annotated[
    str | None, typer.Option("--aime", help="AIME-survey as CSV or JSON lines.")
]
CmiPref = Annotated[
    str | None, typer.Option("--cmi_pref", help="CMI-Pref as JSON lines or CSV.")
]
MusicEval = Annotated[
    str | None, typer.Option("--musiceval", help="A *_mos_list.txt of MusicEval.")
]
SongEval = Annotated[
    str | None, typer.Option("--songeval", help="metadata.jsonl of SongEval.")
]
Licence = Annotated[
    str | None,
    typer.Option(
        "--licence",
        help="Of a data set that does not say it.",
        show_default="what it says",
    ),
]
Licences = Annotated[
    list[str] | None,
    typer.Option(
        "--licences", help="One that may be used; repeatable.", show_default="all"
    ),
]
MinSeconds = Annotated[
    float | None,
    typer.Option(
        "--min_seconds",
        min=0,
        help="That both clips were listened to.",
        show_default="5.0",
    ),
]
UsedSeconds = Annotated[
    float | None,
    typer.Option(
        "--seconds", help="Of each recording that are used.", show_default="20.0"
    ),
]
MaxBadShare = Annotated[
    float | None,
    typer.Option(
        "--max_bad_share",
        min=0,
        max=1,
        help="Of the rows; beyond it, it fails.",
        show_default="0.05",
    ),
]


def preferences(
    out: SetOut,
    networks: options.Networks = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            help="Weights of a model; repeatable.",
            show_default="that of the networks",
        ),
    ] = None,
    captions: Annotated[
        int | None,
        typer.Option(
            "--captions", min=1, help="Pairs of clips to make.", show_default="4000"
        ),
    ] = None,
    population: Annotated[
        str | None,
        typer.Option(
            "--population",
            help="simulated_population.json of another set.",
            show_default="new users",
        ),
    ] = None,
    seconds: Seconds = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Let a simulated population choose between clips, for tests and demos."""
    fields = {
        "out": out,
        "policies": tuple(policy) if policy else None,
        "captions": captions,
        "population": population,
        "TraitConfig.networks": networks,
        "TraitConfig.seconds": seconds,
        "seed": seed,
    }
    running.run("preferences", gin_file, gin_param, fields, as_json=json)


def votes(
    audio: Annotated[str, typer.Option("--audio", help="Folder of the recordings.")],
    out: SetOut,
    own: OwnVotes = None,
    music_arena: MusicArena = None,
    aime: Aime = None,
    cmi_pref: CmiPref = None,
    musiceval: MusicEval = None,
    songeval: SongEval = None,
    networks: options.Networks = None,
    licence: Licence = None,
    licences: Licences = None,
    min_seconds: MinSeconds = None,
    seconds: UsedSeconds = None,
    max_bad_share: MaxBadShare = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    json: options.Json = False,
) -> None:
    """Turn people's votes, your own or a public data set's, into a preference set.

    Name one: --own, --music_arena, --aime, --cmi_pref, --musiceval or --songeval.
    """
    fields = {
        "audio": audio,
        "out": out,
        "own": own,
        "music_arena": music_arena,
        "aime": aime,
        "cmi_pref": cmi_pref,
        "musiceval": musiceval,
        "songeval": songeval,
        "networks": networks,
        "licence": licence,
        "licences": tuple(licences) if licences else None,
        "min_seconds": min_seconds,
        "seconds": seconds,
        "max_bad_share": max_bad_share,
    }
    running.run("votes", gin_file, gin_param, fields, as_json=json)


def population(
    policy: Annotated[
        list[str],
        typer.Option(
            "--policy", help="name=weights file of a model; give two or more."
        ),
    ],
    population: Annotated[
        str,
        typer.Option("--population", help="simulated_population.json of a set."),
    ],
    out: Annotated[
        str | None,
        typer.Option("--out", help="Folder to write.", show_default="population"),
    ] = None,
    prompts: Annotated[
        int | None,
        typer.Option(
            "--prompts", min=2, help="Held-out prompts to use.", show_default="200"
        ),
    ] = None,
    networks: options.Networks = None,
    seconds: Seconds = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Ask a simulated population which of several models it likes better."""
    fields = {
        "policies": tuple(policy),
        "population": population,
        "out": out,
        "prompts": prompts,
        "TraitConfig.networks": networks,
        "TraitConfig.seconds": seconds,
        "seed": seed,
    }
    running.run("population", gin_file, gin_param, fields, as_json=json)


COMMANDS = (preferences, votes, population)
