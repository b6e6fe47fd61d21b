"""Builds the caption pool of section 4.1 and a caption file of each of its splits.

Required: `CaptionPoolConfig.out`, and at least one of `.descriptions`, `.musiccaps` and
`.prompts`.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping

from musicrl_jax.core import errors
from musicrl_jax.data import caption_pool, splits
from musicrl_jax.data.readers import items

READERS = {
    "descriptions": caption_pool.from_descriptions,
    "musiccaps": caption_pool.from_musiccaps,
    "prompts": caption_pool.from_prompts,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionPoolConfig:
    """What to read and where to write.

    Attributes:
      out: the pool to write, such as `pool.jsonl`. `pool.train.jsonl` and
        `pool.held_out.jsonl` beside it are caption files.
      descriptions: texts of a language model, one a line or JSON lines.
      musiccaps: `musiccaps-public.csv`.
      prompts: what users typed, one a line or JSON lines.
      held_out_share: of the captions, 0 to 1; with 0 or 1 there is one split only.
      max_bad_share: of the rows of a file, 0 to 1; with more bad ones nothing is
        written but their list.
    """

    out: str
    descriptions: str = ""
    musiccaps: str = ""
    prompts: str = ""
    held_out_share: float = 0.1
    max_bad_share: float = 0.05

    def __post_init__(self) -> None:
        for name in ("held_out_share", "max_bad_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise errors.InputError(
                    f"CaptionPoolConfig.{name} must lie in [0, 1]; got "
                    f"{getattr(self, name)}. Set another."
                )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """What was written.

    Attributes:
      pool: its path.
      captions: number of captions by source.
      hashes: of each split's caption file, by its path.
      repeated: captions left out because another one is the same.
      skipped: rows left out, listed with their reasons in `skipped_file`.
    """

    pool: str
    captions: Mapping[str, int]
    hashes: Mapping[str, str]
    repeated: int
    skipped: int
    skipped_file: str


def run(config: CaptionPoolConfig) -> Summary:
    """Writes the pool, its caption files and `<out>.skipped.jsonl`.

    The same files give the same bytes. Sources come in the order of the fields.

    Raises:
      InputError: for files of another kind, too many bad rows, or a split without
        captions.
      OSError: where a file cannot be read.
    """
    if not any(getattr(config, name) for name in READERS):
        raise errors.InputError(
            f"A pool needs captions; got none of {', '.join(READERS)}. Set "
            "CaptionPoolConfig.descriptions, .musiccaps or .prompts."
        )
    out = pathlib.Path(config.out)
    temporary = out.with_name(out.name + ".partial")
    skipped = out.with_name(out.name + ".skipped.jsonl")
    out.parent.mkdir(parents=True, exist_ok=True)
    pool = caption_pool.Pool(config.held_out_share)
    problems: list[items.Problem] = []
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        for name in READERS:
            if getattr(config, name):
                captions = read_source(config, name, problems, skipped)
                file.writelines(map(caption_pool.to_line, pool.new(captions)))
    items.write_problems(skipped, problems)
    temporary.replace(out)
    return Summary(
        pool=str(out),
        captions=_by_source(pool),
        hashes=_caption_files(config, out),
        repeated=pool.repeated,
        skipped=len(problems),
        skipped_file=str(skipped),
    )


def read_source(
    config: CaptionPoolConfig,
    name: str,
    problems: list[items.Problem],
    skipped: pathlib.Path,
) -> Iterator[caption_pool.Caption]:
    """Yields the captions of one file; then adds its problems and checks their share.

    Raises:
      InputError: where the share is too large; `skipped` then lists the problems.
    """
    path = pathlib.Path(getattr(config, name))
    good, bad = 0, []
    for found in READERS[name](path):
        if isinstance(found, items.Problem):
            bad.append(dataclasses.replace(found, name=found.name or str(path)))
        else:
            good += 1
            yield from found
    problems += bad
    items.write_problems(skipped, problems)
    items.check_share(str(path), good, bad, config.max_bad_share, str(skipped))


def _by_source(pool: caption_pool.Pool) -> dict[str, int]:
    counts: dict[str, int] = {}
    for (source, _), count in pool.counts.items():
        counts[source] = counts.get(source, 0) + count
    return counts


def _caption_files(config: CaptionPoolConfig, out: pathlib.Path) -> dict[str, str]:
    """Writes each split's caption file; returns their hashes by path."""
    shares = {
        splits.TRAIN: 1 - config.held_out_share,
        splits.HELD_OUT: config.held_out_share,
    }
    paths = {
        out.with_suffix(f".{split}.jsonl"): split for split in shares if shares[split]
    }
    return {
        str(path): caption_pool.write_captions(out, split, path)
        for path, split in paths.items()
    }
