"""Asks linear probes what semantic and codec tokens tell of a clip's attributes.

Required: `ProbeConfig.manifest`, of clips with attributes.
Commonly overridden: `.networks` (the starter's), `.attributes`, `.clips`.

The same clips, folds and probes for all tokens. Codec tokens come as the first level
alone, which has as many tokens a second as the semantic ones, and as all levels.
"""

import dataclasses
import functools
import math
import pathlib
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from musicrl_jax.audio import waveform
from musicrl_jax.core import arrays, errors
from musicrl_jax.data import manifest
from musicrl_jax.evaluation import probes, statistics, token_features
from musicrl_jax.runs import codecs, pretrain_semantic, system

Progress = Callable[[int, int], None]
Tokenize = Callable[[arrays.Params, Float[Array, "1 n"]], Int[Array, "1 f l"]]
SEMANTIC = "semantic"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """What to ask of which tokens.

    Attributes:
      manifest: JSON lines file of a corpus with attributes.
      networks: folder of codec and semantic weights; empty for the starter's.
      attributes: that are told from the tokens, each on its own.
      clips: at most so many, drawn at random.
      seconds: the beginning of each clip that is tokenised; shorter ones are left out.
      folds: parts of the clips; each is asked about by probes of the others.
      seed: of the clips and folds.
    """

    manifest: str
    networks: str = ""
    attributes: tuple[str, ...] = ("key", "tempo", "lead_instrument")
    clips: int = 400
    seconds: float = 30.0
    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.attributes or not 0 < self.seconds < math.inf:
            raise errors.InputError(
                "ProbeConfig needs attributes and positive, finite seconds; got "
                f"{self.attributes} and {self.seconds}."
            )
        if not 2 <= self.folds <= self.clips // 4:
            raise errors.InputError(
                "ProbeConfig.folds must lie between 2 and a quarter of the clips; got "
                f"{self.folds} for {self.clips} clips."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """What one probe got right.

    Attributes:
      attribute: of the manifest.
      tokens: "semantic", "codec level 0" or "codec levels 0-3".
      seen: what the probe sees of them, a class of `evaluation.token_features`.
      numbers: that it sees of a clip.
      accuracy: share of clips told right, each by a probe that was not fitted to it.
      standard_error: of the accuracy, binomial.
      chance: accuracy of always naming the most common label.
      labels: to choose from.
      clips: asked about.
      semantic_lead: accuracy of the semantic tokens' probe less this one.
      lead_error: standard error of that, over clips.
    """

    attribute: str
    tokens: str
    seen: str
    numbers: int
    accuracy: float
    standard_error: float
    chance: float
    labels: int
    clips: int
    semantic_lead: float
    lead_error: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stream:
    """Tokens of all clips.

    Attributes:
      entries: of each level's codebook.
    """

    name: str
    tokens: token_features.Tokens
    entries: int


def run(config: ProbeConfig, progress: Progress | None = None) -> tuple[Row, ...]:
    """Tokenises clips, fits the probes and returns what they got right.

    Raises:
      InputError: for a corpus or networks that cannot be read, or attributes that the
        clips lack.
    """
    folder = system.networks_directory(config.networks)
    rows = _chosen(config)
    streams = _streams(config, folder, rows, progress)
    found: list[Row] = []
    for attribute in config.attributes:
        labels = [row.attributes[attribute] for row in rows]
        found += _ask(config, attribute, labels, streams)
    return tuple(found)


def _chosen(config: ProbeConfig) -> tuple[manifest.ClipRow, ...]:
    corpus = manifest.read_manifest(pathlib.Path(config.manifest)).rows
    wanted = set(config.attributes)
    fit = [
        row
        for row in corpus
        if row.duration_seconds >= config.seconds and wanted <= row.attributes.keys()
    ]
    if len(fit) < 4 * config.folds:
        known = sorted({name for row in corpus for name in row.attributes})
        raise errors.InputError(
            f"{config.manifest} needs {4 * config.folds} clips or more of "
            f"{config.seconds} s with {', '.join(config.attributes)}; it has "
            f"{len(fit)}. Its attributes are: {', '.join(known) or 'none'}."
        )
    count = min(config.clips, len(fit))
    drawn = np.random.default_rng(config.seed).choice(len(fit), count, replace=False)
    return tuple(fit[i] for i in np.sort(drawn))


def _streams(
    config: ProbeConfig,
    folder: pathlib.Path,
    rows: Sequence[manifest.ClipRow],
    progress: Progress | None,
) -> tuple[Stream, ...]:
    """Returns semantic tokens, the codec's first level, and all of its levels."""
    semantic, semantic_params = pretrain_semantic.load(folder / "semantic.safetensors")
    codec, codec_params = codecs.load(folder / "codec.safetensors")
    total = 2 * len(rows)

    def report(before: int, done: int) -> None:
        if progress is not None:
            progress(before + done, total)

    meant = _tokens(
        lambda params, audio: semantic.tokenize(params, audio)[:, :, None],
        semantic_params,
        rows,
        (semantic.config.sample_rate_hz, config.seconds),
        functools.partial(report, 0),
    )
    coarse = _tokens(
        codec.encode,
        codec_params,
        rows,
        (codec.sample_rate_hz, config.seconds),
        functools.partial(report, len(rows)),
    )
    entries, last = codec.config.codebook_size, codec.config.levels - 1
    return (
        Stream(name=SEMANTIC, tokens=meant, entries=semantic.config.clusters),
        Stream(name="codec level 0", tokens=coarse[:, :, :1], entries=entries),
        Stream(name=f"codec levels 0-{last}", tokens=coarse, entries=entries),
    )


def _tokens(
    tokenize: Tokenize,
    params: arrays.Params,
    rows: Sequence[manifest.ClipRow],
    cut: tuple[int, float],
    report: Callable[[int], None],
) -> token_features.Tokens:
    """Returns the tokens of the beginnings of clips; `cut` is (rate in Hz, seconds)."""
    rate, seconds = cut
    samples = int(rate * seconds)
    compiled = jax.jit(tokenize)
    found = []
    for row in rows:
        audio = waveform.read_audio(pathlib.Path(row.path), rate)[:samples]
        # Resampling may round a clip one sample short.
        padded = np.pad(audio, (0, samples - len(audio)))
        found.append(np.asarray(compiled(params, padded[None]))[0])
        report(len(found))
    return np.stack(found)


def _ask(
    config: ProbeConfig,
    attribute: str,
    labels: Sequence[str],
    streams: Sequence[Stream],
) -> list[Row]:
    """Returns the rows of one attribute; the semantic stream comes first."""
    found: list[Row] = []
    reference: dict[str, probes.ProbeResult] = {}
    for stream in streams:
        kinds = (
            token_features.Histogram(size=stream.entries),
            token_features.Changes(),
            token_features.Recurrence(),
        )
        for kind in kinds:
            seen = type(kind).__name__.lower()
            result = probes.cross_validate(
                kind(stream.tokens), labels, folds=config.folds, seed=config.seed
            )
            first = reference.setdefault(seen, result)
            found.append(_row(attribute, stream.name, seen, result, first))
    return found


def _row(
    attribute: str,
    tokens: str,
    seen: str,
    result: probes.ProbeResult,
    semantic: probes.ProbeResult,
) -> Row:
    lead = statistics.compare_pairs(result.right, semantic.right)
    return Row(
        attribute=attribute,
        tokens=tokens,
        seen=seen,
        numbers=result.features,
        accuracy=round(result.accuracy, 4),
        standard_error=round(result.standard_error, 4),
        chance=round(result.chance, 4),
        labels=result.classes,
        clips=len(result.right),
        semantic_lead=round(lead.difference, 4),
        lead_error=round(lead.standard_error, 4),
    )
