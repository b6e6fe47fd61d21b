"""MusicCaps: `musiccaps-public.csv`, captions of ten-second clips on YouTube.

Columns `ytid, start_s, end_s, audioset_positive_labels, aspect_list, caption,
author_id, is_balanced_subset, is_audioset_eval`; further ones do no harm. Captions have
line breaks. (Agostinelli et al., 2023; captions CC BY-SA 4.0. The recordings have
licences of their own, which the table does not give.)
"""

import dataclasses
import pathlib
from collections.abc import Iterator

from musicrl_jax.data.readers import items, tables

CAPTION_LICENCE = "CC-BY-SA-4.0"
COLUMNS = ("ytid", "start_s", "end_s", "aspect_list", "caption")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CapsRow:
    """One row.

    Attributes:
      row: line on which it starts.
      ytid: of the video.
      start: second of the video where the clip begins, as written.
      end: second where it ends.
      caption: a few sentences, on one line.
      aspects: tags such as "low quality" or "mellow piano melody".
    """

    row: int
    ytid: str
    start: str
    end: str
    caption: str
    aspects: tuple[str, ...]

    @property
    def tags(self) -> str:
        """The aspects as one text; empty where there are none."""
        return ", ".join(self.aspects)


def read(path: pathlib.Path) -> Iterator[CapsRow | items.Problem]:
    """Yields the rows in order.

    Raises:
      InputError: where a column is missing.
      OSError: where the file cannot be read.
    """
    header, found = tables.with_header(path, COLUMNS)

    def parse(row: tables.Row) -> CapsRow:
        fields = row.named(header)
        return CapsRow(
            row=row.row,
            ytid=tables.text(fields, "ytid"),
            start=fields["start_s"],
            end=fields["end_s"],
            caption=tables.text(fields, "caption"),
            aspects=tables.listed(fields, "aspect_list"),
        )

    yield from tables.parsed(found, parse)


def read_items(path: pathlib.Path) -> Iterator[items.Item | items.Problem]:
    """Yields the rows with the names that downloaders give the audio.

    These are `<ytid>`, `<ytid>_<start>_<end>`, `<ytid>_<start>-<end>` and
    `[<ytid>]-[<start>-<end>]`, in any folder and format. The tags are a second caption.
    """
    for row in read(path):
        if isinstance(row, items.Problem):
            yield row
            continue
        yield items.Item(
            row=row.row,
            identity=row.ytid,
            places=(
                row.ytid,
                f"{row.ytid}_{row.start}_{row.end}",
                f"{row.ytid}_{row.start}-{row.end}",
                f"[{row.ytid}]-[{row.start}-{row.end}]",
            ),
            captions=tuple(text for text in (row.caption, row.tags) if text),
            attributes={"caption_licence": CAPTION_LICENCE},
        )
