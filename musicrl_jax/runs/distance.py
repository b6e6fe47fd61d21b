"""Measures how far a folder of clips is from a reference, as MuLan hears them.

Required: `DistanceConfig.reference`, `.clips` (also --reference, --clips).
Commonly overridden (also --networks, --seconds).

Kernel distances have no bias at any number of clips. The Fréchet distance is given at
infinitely many clips where there are enough for that, and its raw value never.
"""

import dataclasses
import functools
import math
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from musicrl_jax.audio import headers, waveform
from musicrl_jax.core import errors
from musicrl_jax.evaluation import audio_distances
from musicrl_jax.rewards import text_adherence
from musicrl_jax.runs import pretrain_mulan, system

Progress = Callable[[int, int], None]
SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg"})
CLIPS_PER_CALL = 16
NOTES = (
    "Distances are in units of the embedding and compare only with others of the same "
    "networks, seconds and reference.",
    "The embedding was trained on the corpus of its networks: it may not hear what "
    "that corpus lacks, and a reference of that corpus flatters models of it.",
    "A policy that was fine-tuned on this MuLan's score can come near in this space "
    "without sounding nearer.",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DistanceConfig:
    """A measurement.

    Attributes:
      reference: folder of recordings that the clips should resemble.
      clips: folder of the clips.
      networks: folder with `mulan.safetensors`; empty for the starter's.
      seconds: the beginning of each file that is heard, in thirds.
      most_clips: of either folder, drawn at random.
      seed: of that, and of the extrapolation.
    """

    reference: str
    clips: str
    networks: str = ""
    seconds: float = 30.0
    most_clips: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        least = audio_distances.LEAST_CLIPS
        if not 0 < self.seconds < math.inf or self.most_clips < least:
            raise errors.InputError(
                "DistanceConfig needs finite seconds above 0 and most_clips of "
                f"{least} or more; got {self.seconds} and {self.most_clips}. Set them."
            )


def run(config: DistanceConfig, progress: Progress | None = None) -> dict[str, Any]:
    """Returns distances with standard errors, and what they depend on.

    Raises:
      InputError: where networks or clips cannot be used, or clips are too few.
    """
    chosen = [find(folder, config) for folder in (config.reference, config.clips)]
    audio_distances.check_counts(*map(len, chosen))
    path = system.networks_directory(config.networks) / "mulan.safetensors"
    embedder, params, tokenizer = pretrain_mulan.load(path)
    reward = text_adherence.TextAdherenceReward(
        embedder=embedder,
        params=params,
        tokenizer=tokenizer,
        config=text_adherence.TextAdherenceConfig(clips_per_call=CLIPS_PER_CALL),
    )
    total = sum(map(len, chosen))

    def report(before: int, done: int) -> None:
        if progress is not None:
            progress(before + done, total)

    sets = [
        embed(
            reward.clip_embeddings,
            paths,
            (embedder.config.sample_rate_hz, config.seconds),
            functools.partial(report, before),
        )
        for paths, before in zip(chosen, (0, len(chosen[0])), strict=True)
    ]
    about = {
        "embedding": (
            f"MuLan's audio tower of {path}, {sets[0].shape[1]} dimensions, mean of "
            f"three windows of {config.seconds / 3:g} s"
        ),
        "reference": f"{len(sets[0])} clips of {config.reference}",
        "clips": f"{len(sets[1])} clips of {config.clips}",
        "seconds": config.seconds,
    }
    return measure(sets[0], sets[1], config.seed) | about | {"notes": NOTES}


def measure(
    reference: Float[np.ndarray, "n e"], clips: Float[np.ndarray, "m e"], seed: int
) -> dict[str, Any]:
    """Returns all distances of two sets of vectors; None where there is a refusal.

    Raises:
      InputError: where either set is too small for any.
    """
    audio_distances.check_counts(len(reference), len(clips))
    gaussian = audio_distances.median_kernel(reference)
    kernels = {"gaussian": gaussian, "polynomial": audio_distances.polynomial_kernel}
    found: dict[str, Any] = {}
    for name, kernel in kernels.items():
        distance = audio_distances.kernel_distance(reference, clips, kernel)
        found[f"kad_{name}"] = distance.value
        found[f"kad_{name}_error"] = distance.standard_error
    found["kad_bandwidth"] = gaussian.bandwidth
    try:
        frechet = audio_distances.frechet_at_infinity(reference, clips, seed=seed)
    except errors.InputError as error:
        found |= {"fad_infinity": None, "fad_infinity_error": None}
        found["fad_refused"] = str(error)
    else:
        found["fad_infinity"] = frechet.value
        found["fad_infinity_error"] = frechet.standard_error
        found["fad_refused"] = ""
    bias = audio_distances.frechet_bias(reference, len(clips))
    return found | {"bias_of_raw_fad": bias}


def find(folder: str, config: DistanceConfig) -> list[pathlib.Path]:
    """Returns the audio files of a folder, at most so many, in order.

    Raises:
      InputError: where there is none, or some are too short; it counts them.
    """
    path = pathlib.Path(folder)
    kind = (p for p in path.glob("*") if p.suffix.lower() in SUFFIXES)
    found = sorted(kind)
    if not found:
        raise errors.InputError(
            f"A folder of clips must have audio files; {path} has none. Pass another."
        )
    count = min(config.most_clips, len(found))
    drawn = np.random.default_rng(config.seed).choice(len(found), count, replace=False)
    chosen = [found[index] for index in np.sort(drawn)]
    short = [
        clip
        for clip in chosen
        if headers.read_header(clip).duration_seconds < config.seconds - 0.001
    ]
    if short:
        raise errors.InputError(
            f"All clips must have the {config.seconds:g} s that are heard; "
            f"{len(short)} of {count} in {path} are shorter, such as {short[0]}. "
            "Leave them out, or pass fewer --seconds."
        )
    return chosen


def embed(
    embedding: audio_distances.Embed,
    paths: Sequence[pathlib.Path],
    cut: tuple[int, float],
    report: Callable[[int], None],
) -> Float[np.ndarray, "n e"]:
    """Returns the vectors of the beginnings of files; `cut` is (rate, seconds)."""
    rate, seconds = cut
    samples = int(rate * seconds)
    parts = []
    for start in range(0, len(paths), CLIPS_PER_CALL):
        some = paths[start : start + CLIPS_PER_CALL]
        batch = np.zeros((len(some), samples), np.float32)
        for row, path in zip(batch, some, strict=True):
            part = waveform.read_part(path, rate, 0, samples)
            # Resampling may round a clip one sample short.
            row[: len(part)] = part
        parts.append(np.asarray(embedding(batch), np.float64))
        report(start + len(some))
    return np.concatenate(parts)
