"""Writes the manifest of a folder of audio, or of a public data set on disk.

Required: `ManifestConfig.audio` (a folder) and `.out`. At most one of `.musiccaps`,
`.song_describer`, `.mtg_jamendo` and `.fma` names the metadata file of that data set;
without one, captions come from `.txt` files beside the audio.
"""

import collections
import dataclasses
import logging
import pathlib
from collections.abc import Iterator, Mapping

from musicrl_jax.core import errors
from musicrl_jax.data import manifest, splits
from musicrl_jax.data.readers import (
    audio_folder,
    fma,
    items,
    joining,
    licences,
    mtg_jamendo,
    musiccaps,
    song_describer,
)

_LOG = logging.getLogger(__name__)

READERS = {
    "musiccaps": musiccaps.read_items,
    "song_describer": song_describer.read_items,
    "mtg_jamendo": mtg_jamendo.read_items,
    "fma": fma.read_items,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ManifestConfig:
    """What to read and where to write.

    Attributes:
      audio: folder of the recordings.
      out: the manifest to write.
      musiccaps: `musiccaps-public.csv`.
      song_describer: `song_describer.csv`.
      mtg_jamendo: a TSV file of MTG-Jamendo, such as `autotagging.tsv`.
      fma: `tracks.csv` of FMA.
      licences: `audio_licenses.txt`, which two of these data sets have.
      licence: of recordings whose licence is said nowhere else.
      held_out_share: of the clips, 0 to 1; see `splits.split_of`.
      max_bad_share: of the rows, 0 to 1; with more bad ones nothing is written but
        their list.
      partial: whether the folder is known to hold a part of the data set only; rows
        without a recording are then listed, but are not bad.
      workers: files opened at the same time.
    """

    audio: str
    out: str
    musiccaps: str = ""
    song_describer: str = ""
    mtg_jamendo: str = ""
    fma: str = ""
    licences: str = ""
    licence: str = ""
    held_out_share: float = 0.1
    max_bad_share: float = 0.05
    partial: bool = False
    workers: int = 8

    def __post_init__(self) -> None:
        named = [name for name in READERS if getattr(self, name)]
        if len(named) > 1:
            raise errors.InputError(
                "A manifest is of one data set; got ManifestConfig."
                f"{' and .'.join(named)}. Write one manifest for each."
            )
        for name in ("held_out_share", "max_bad_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise errors.InputError(
                    f"ManifestConfig.{name} must lie in [0, 1]; got "
                    f"{getattr(self, name)}. Set another."
                )
        if self.workers < 1:
            raise errors.InputError(
                f"ManifestConfig.workers must be positive; got {self.workers}. Set 1."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """What was written.

    Attributes:
      manifest: its path.
      clips: rows in it, of which `train` and `held_out`.
      hours: of audio.
      without_captions: rows that have none; only MuLan needs them.
      without_licence: rows whose licence is not known.
      skipped: rows left out, listed with their reasons in `skipped_file`.
      bad_captions: rows of which only the captions were left out, listed there too.
    """

    manifest: str
    clips: int
    train: int
    held_out: int
    hours: float
    without_captions: int
    without_licence: int
    skipped: int
    bad_captions: int
    skipped_file: str


def run(config: ManifestConfig, progress: joining.Progress | None = None) -> Summary:
    """Reads, joins, and writes the manifest and `<out>.skipped.jsonl`.

    The same files give the same bytes.

    Raises:
      InputError: for files that are missing or of another kind, and for too many bad
        rows.
    """
    out = pathlib.Path(config.out)
    skipped = out.with_name(out.name + ".skipped.jsonl")
    folder = audio_folder.AudioFolder(pathlib.Path(config.audio))
    listed = licences.read(pathlib.Path(config.licences)) if config.licences else {}
    rows, problems = joining.Joining(
        folder=folder,
        base=out.parent,
        licences=listed,
        licence=config.licence,
        held_out_share=config.held_out_share,
        workers=config.workers,
    ).join(_items(config, folder), progress)
    items.write_problems(skipped, problems)
    left_out = [problem for problem in problems if not problem.kept]
    bad = [item for item in left_out if not (item.absent and config.partial)]
    items.check_share(
        _source(config), len(rows), bad, config.max_bad_share, str(skipped)
    )
    manifest.write_manifest(out, rows)
    counts = collections.Counter(row.split for row in rows)
    _warn_of_splits(counts, config.held_out_share)
    return Summary(
        manifest=str(out),
        clips=len(rows),
        train=counts[splits.TRAIN],
        held_out=counts[splits.HELD_OUT],
        hours=round(sum(row.duration_seconds for row in rows) / 3600, 3),
        without_captions=sum(not row.captions for row in rows),
        without_licence=sum(not row.licence for row in rows),
        skipped=len(left_out),
        bad_captions=len(problems) - len(left_out),
        skipped_file=str(skipped),
    )


def _warn_of_splits(counts: Mapping[str, int], share: float) -> None:
    """Warns of a split without clips, which training refuses."""
    for split in (splits.TRAIN, splits.HELD_OUT):
        if not counts[split]:
            _LOG.warning(
                "no clip of %d is in the split %r, which pretrain needs; change "
                "ManifestConfig.held_out_share, now %g, or add clips",
                *(sum(counts.values()), split, share),
            )


def _source(config: ManifestConfig) -> str:
    """Returns the metadata file, or the folder where there is none."""
    named = (getattr(config, name) for name in READERS)
    return next(filter(None, named), config.audio)


def _items(
    config: ManifestConfig, folder: audio_folder.AudioFolder
) -> Iterator[items.Item | items.Problem]:
    for name, read in READERS.items():
        if metadata := getattr(config, name):
            return read(pathlib.Path(metadata))
    return audio_folder.read_items(folder)
