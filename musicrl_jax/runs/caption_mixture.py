"""Runs a mixture of caption sources once, and writes the captions that actors look up.

Required: `CaptionMixtureConfig.out`, and at least one of `.descriptions`, `.musiccaps`
and `.prompts`. Commonly overridden: `.mixture`, `.count`, `.split`.

Needs seqio and TensorFlow, which nothing that reads the file does.
"""

import collections
import dataclasses
import itertools
import pathlib
from collections.abc import Iterable, Iterator, Mapping

from musicrl_jax.core import errors
from musicrl_jax.data import caption_pool as pools
from musicrl_jax.data import captions, splits, tasks
from musicrl_jax.data.readers import items
from musicrl_jax.runs import caption_pool

SOURCES = (
    pools.DESCRIPTIONS,
    pools.MUSICCAPS_SENTENCES,
    pools.MUSICCAPS_TAGS,
    pools.PROMPTS,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionMixtureConfig:
    """What to read, how to mix it and where to write.

    Attributes:
      out: the caption file to write.
      descriptions: texts of a language model, one a line or JSON lines.
      musiccaps: `musiccaps-public.csv`.
      prompts: what users typed, one a line or JSON lines.
      mixture: rates such as "descriptions=4, musiccaps_sentences=1"; others are left
        out. Empty for all sources, by their numbers of captions.
      split: "train" or "held_out".
      count: captions to draw at the rates, sources starting over where they end; 0 for
        each caption once.
      seed: of the order.
      held_out_share: of the captions, 0 to 1.
      max_bad_share: of the rows of a file, 0 to 1.
    """

    out: str
    descriptions: str = ""
    musiccaps: str = ""
    prompts: str = ""
    mixture: str = ""
    split: str = splits.TRAIN
    count: int = 0
    seed: int = 0
    held_out_share: float = 0.1
    max_bad_share: float = 0.05

    def __post_init__(self) -> None:
        if self.split not in (splits.TRAIN, splits.HELD_OUT) or self.count < 0:
            raise errors.InputError(
                "CaptionMixtureConfig.split must be 'train' or 'held_out' and .count 0 "
                f"or more; got {self.split!r} and {self.count}."
            )
        self.rates()

    def rates(self) -> dict[str, float]:
        """Returns the rates by source; empty where `mixture` is.

        Raises:
          InputError: for a source that is not known, or a rate that is not positive.
        """
        found: dict[str, float] = {}
        for part in filter(None, map(str.strip, self.mixture.split(","))):
            name, _, rate = part.partition("=")
            try:
                found[name.strip()] = float(rate)
            except ValueError:
                found[name.strip()] = 0.0
        bad = [name for name in found if name not in SOURCES or not found[name] > 0]
        if bad:
            raise errors.InputError(
                f"A mixture is written as SOURCE=RATE, with rates above 0 and sources "
                f"among {', '.join(SOURCES)}; got {self.mixture!r}. Correct "
                f"{', '.join(bad)}."
            )
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """What was written.

    Attributes:
      out: the caption file.
      captions: number of captions by source.
      hash: of the file; a run's config names it.
      skipped: rows left out, listed with their reasons in `skipped_file`.
    """

    out: str
    captions: Mapping[str, int]
    hash: str
    skipped: int
    skipped_file: str


def run(config: CaptionMixtureConfig) -> Summary:
    """Writes the caption file and `<out>.skipped.jsonl`.

    Raises:
      InputError: for files of another kind, too many bad rows, a source of the mixture
        that is not given, or no captions.
      OSError: where a file cannot be read.
    """
    skipped = pathlib.Path(config.out + ".skipped.jsonl")
    problems: list[items.Problem] = []
    sources = _read(config, problems, skipped)
    items.write_problems(skipped, problems)
    counts: collections.Counter[str] = collections.Counter()
    content_hash = captions.build_caption_file(
        _counted(_drawn(config, sources), counts), pathlib.Path(config.out)
    )
    return Summary(
        out=config.out,
        captions=dict(counts),
        hash=content_hash,
        skipped=len(problems),
        skipped_file=str(skipped),
    )


def _read(
    config: CaptionMixtureConfig, problems: list[items.Problem], skipped: pathlib.Path
) -> list[tasks.CaptionTask]:
    """Reads the sources, and returns those of the mixture."""
    files = caption_pool.CaptionPoolConfig(
        out=config.out,
        descriptions=config.descriptions,
        musiccaps=config.musiccaps,
        prompts=config.prompts,
        held_out_share=config.held_out_share,
        max_bad_share=config.max_bad_share,
    )
    texts: dict[str, list[str]] = {}
    for name in caption_pool.READERS:
        if getattr(files, name):
            for found in caption_pool.read_source(files, name, problems, skipped):
                texts.setdefault(found.source, []).append(found.text)
    rates = config.rates()
    if missing := [name for name in rates if name not in texts]:
        raise errors.InputError(
            f"The mixture draws from {', '.join(missing)}, of which no caption was "
            "given. Name its file, or leave it out of the mixture."
        )
    return [
        tasks.CaptionTask(
            source=source,
            texts=texts[source],
            rate=rates.get(source, 0.0),
            held_out_share=config.held_out_share,
        )
        for source in SOURCES
        if source in (rates or texts) and source in texts
    ]


def _drawn(
    config: CaptionMixtureConfig, sources: list[tasks.CaptionTask]
) -> Iterator[pools.Caption]:
    """Yields the captions in the mixture's order."""
    reading = tasks.Reading(
        split=config.split, seed=config.seed, repeat=config.count > 0
    )
    found = (
        pools.Caption(text=text, source=source)
        for source, text in tasks.captions(sources, reading)
    )
    if config.count:
        return itertools.islice(found, config.count)
    # Once each: what two sources have would come twice.
    return pools.Pool(config.held_out_share).new(found)


def _counted(
    found: Iterable[pools.Caption], counts: collections.Counter[str]
) -> Iterator[str]:
    for caption in found:
        counts[caption.source] += 1
        yield caption.text
