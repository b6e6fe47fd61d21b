"""Turns votes on disk, of your own or a public data set, into a preference set.

Required: `ImportPreferencesConfig.audio` (folder of the recordings), `.out`, and one of
`.own`, `.music_arena`, `.aime`, `.cmi_pref`, `.musiceval` and `.songeval`.
Commonly overridden: `.licences` (which may be used), `.min_seconds`, `.seconds`.

Recordings become tokens of the policy in `.networks`. Rows that are left out are
listed in `<out>.skipped.jsonl`. No data set comes with the package.
"""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt16

from musicrl_jax.core import errors
from musicrl_jax.core import layout as layouts
from musicrl_jax.data import preference_rows, preferences
from musicrl_jax.data.readers import (
    aime,
    audio_folder,
    cmi_pref,
    items,
    music_arena,
    musiceval,
    own_votes,
    songeval,
    votes,
)
from musicrl_jax.runs import (
    heard_parts,
    output_folder,
    system,
    tokenizers,
    usable_votes,
)

READERS = {
    "own": own_votes.read_votes,
    "music_arena": music_arena.read_votes,
    "aime": aime.read_votes,
    "cmi_pref": cmi_pref.read_votes,
    "musiceval": musiceval.read_votes,
    "songeval": songeval.read_votes,
}

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportPreferencesConfig:
    """What to read and where to write.

    Attributes:
      audio: folder of the recordings.
      out: folder of the preference set.
      networks: folder of policy, codec and semantic tokenizer; empty for the starter.
      own: votes of your own as CSV or JSON lines; see `data.readers.own_votes`.
      music_arena: folder of the battles' JSON files.
      aime: AIME-survey as CSV or JSON lines.
      cmi_pref: CMI-Pref as JSON lines or CSV.
      musiceval: a `*_mos_list.txt` of MusicEval.
      songeval: `metadata.jsonl` of SongEval.
      licence: of a data set that does not say it, or in place of what it says.
      licences: that may be used; none for all.
      min_seconds: that a user must have listened to both clips, where it is known.
      seconds: of each recording that become tokens, at most what raters heard of it;
        shorter ones are left out.
      batch_size: recordings that the networks take at a time.
      workers: recordings decoded at the same time.
      max_bad_share: of the rows, 0 to 1; with more broken ones nothing is written but
        their list.
    """

    audio: str
    out: str
    networks: str = ""
    own: str = ""
    music_arena: str = ""
    aime: str = ""
    cmi_pref: str = ""
    musiceval: str = ""
    songeval: str = ""
    licence: str = ""
    licences: tuple[str, ...] = ()
    min_seconds: float = 5.0
    seconds: float = 20.0
    batch_size: int = 4
    workers: int = 4
    max_bad_share: float = 0.05

    def __post_init__(self) -> None:
        named = [name for name in READERS if getattr(self, name)]
        if len(named) > 1:
            raise errors.InputError(
                f"A preference set is of one data set; got {' and '.join(named)}. "
                "Write one set for each."
            )
        for name in ("seconds", "batch_size", "workers"):
            if not 0 < getattr(self, name) < math.inf:
                raise errors.InputError(
                    f"ImportPreferencesConfig.{name} must be positive and finite; got "
                    f"{getattr(self, name)}. Pass --{name} with such a number."
                )
        heard = 0 <= self.min_seconds < math.inf
        if not heard or not 0 <= self.max_bad_share <= 1:
            raise errors.InputError(
                "ImportPreferencesConfig needs finite min_seconds of 0 or more and a "
                f"max_bad_share from 0 to 1; got {self.min_seconds} and "
                f"{self.max_bad_share}."
            )


def run(
    config: ImportPreferencesConfig, progress: Progress | None = None
) -> dict[str, Any]:
    """Reads, filters, tokenises and writes; returns what was kept and what was not.

    Args:
      config: what to do.
      progress: called with (recordings done, recordings in all).

    Raises:
      InputError: for files or networks that cannot be used, a folder that has files or
        cannot be written, too many bad rows, more seconds than raters heard, or no vote
        that is left.
    """
    out = pathlib.Path(config.out)
    output_folder.check_own(out, "A preference set")
    skipped = out.with_name(out.name + ".skipped.jsonl")
    source, found, problems = _read(config)
    folder = audio_folder.AudioFolder(pathlib.Path(config.audio))
    encoder = _encoder(config)
    items.write_problems(skipped, problems)
    broken = [problem for problem in problems if not problem.absent]
    items.check_share(source, len(found), broken, config.max_bad_share, str(skipped))
    kept, dropped = usable_votes.filtered(
        found, licences=config.licences, min_seconds=config.min_seconds
    )
    heard = usable_votes.heard(kept, config.seconds, problems)
    placed = usable_votes.placed(folder, heard, problems)
    tokens = usable_votes.encoded(encoder, placed, problems, progress)
    items.write_problems(skipped, problems)
    good = [one for one in placed if {one.first, one.second} <= tokens.keys()]
    if not good:
        first = f"; the first: {problems[0].reason[:-1]}" if problems else ""
        raise errors.InputError(
            f"No vote of {source} can be used: {sum(dropped.values())} were left out "
            f"({', '.join(dropped) or 'by no filter'}), and {skipped} lists the "
            f"{len(problems)} others{first}. Check --audio, --seconds and the filters."
        )
    counts = {"read": len(found), "left_out": dropped, "skipped": len(problems)}
    counts["seconds"] = config.seconds
    _write(out, good, tokens, encoder.networks.layout, counts)
    about = {"preferences": str(out), "votes": len(good), "clips": len(tokens)}
    return about | counts | {"skipped_file": str(skipped)}


def _encoder(config: ImportPreferencesConfig) -> heard_parts.PartEncoder:
    """Returns what makes tokens of the networks' policy."""
    folder = system.networks_directory(config.networks)
    wanted = system.load_language(folder).policy.layout
    coarse = next(stream for stream in wanted.streams if stream.name == "coarse")
    networks, params = tokenizers.load(folder, coarse.levels)
    if networks.layout != wanted:
        raise errors.InputError(
            f"The tokenizers of {folder} must make the policy's tokens, {wanted}; they "
            f"make {networks.layout}. Use the networks that it was trained with."
        )
    frames = wanted.num_frames(config.seconds)
    return heard_parts.PartEncoder(
        networks=networks,
        params=params,
        samples=frames * networks.codec.samples_per_frame,
        batch_size=config.batch_size,
        workers=config.workers,
    )


def _read(
    config: ImportPreferencesConfig,
) -> tuple[str, list[votes.Vote], list[items.Problem]]:
    """Returns the file that was read, its votes and what is wrong with other rows."""
    name = next((name for name in READERS if getattr(config, name)), None)
    if name is None:
        raise errors.InputError(
            f"Votes come from one of {', '.join(READERS)}; got none. Name a data set, "
            "for example with --music_arena."
        )
    path = pathlib.Path(getattr(config, name))
    found: dict[str, votes.Vote] = {}
    problems: list[items.Problem] = []
    for vote in READERS[name](path, config.licence):
        if isinstance(vote, items.Problem):
            problems.append(vote)
        elif (first := found.setdefault(vote.identity, vote)) is not vote:
            reason = f"row {first.row} has the same identity, {vote.identity}."
            problems.append(
                items.Problem(row=vote.row, name=vote.identity, reason=reason)
            )
    return str(path), list(found.values()), problems


def _write(
    out: pathlib.Path,
    good: Sequence[usable_votes.PlacedVote],
    tokens: Mapping[heard_parts.Part, UInt16[np.ndarray, "f q"]],
    layout: layouts.TokenLayout,
    counts: Mapping[str, Any],
) -> None:
    """Writes the preference set; recordings are rows in the order of `tokens`."""
    rows = {part: row for row, part in enumerate(tokens)}
    facts = preference_rows.Facts(
        simulated=False,
        frame_rate_hz=layout.frame_rate_hz,
        tokens_per_frame=layout.tokens_per_frame,
        others=counts,
    )
    preferences.write_preferences(
        out, [_row(one, rows) for one in good], list(tokens.values()), facts
    )


def _row(
    one: usable_votes.PlacedVote, rows: Mapping[heard_parts.Part, int]
) -> preference_rows.Preference:
    vote = one.vote
    return preference_rows.Preference(
        caption=vote.prompt,
        a=rows[one.first],
        b=rows[one.second],
        choice=vote.choice,
        user=vote.user,
        confidence=vote.confidence,
        source=vote.source,
        licence=vote.licence,
    )
