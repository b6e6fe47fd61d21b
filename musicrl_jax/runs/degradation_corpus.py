"""Makes clips of graded quality with simulated ratings, for users without raters.

Required: `DegradationCorpusConfig.manifest`, `.out_dir`.
Commonly overridden: `.codec` (weights whose artefacts join the faults), `.versions`,
`SimulatedRatersConfig.noise`.

Every recording of the manifest is written as it is and with faults of each kind (see
`synthesis.degradations`). `simulated_ratings.jsonl` holds what simulated raters say;
all recordings outside split "train" are held out. `run` goes on where it was stopped.
"""

import dataclasses
import json
import math
import pathlib
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float

from musicrl_jax.audio import waveform as waveforms
from musicrl_jax.core import errors
from musicrl_jax.data import manifest, ratings
from musicrl_jax.runs import codecs
from musicrl_jax.synthesis import degradations, simulated_raters

RATINGS = "simulated_ratings.jsonl"
SETTINGS = "simulated_ratings.settings.json"
CLEAN = "clean"
CODEC = "codec"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DegradationCorpusConfig:
    """The clips and ratings to make.

    Attributes:
      manifest: JSON lines file of recordings.
      out_dir: folder of the ratings and `clips/`.
      codec: weights file of a codec; None leaves its artefacts out.
      versions: clips of each kind of fault made from each recording.
      seconds: of each clip, from a random place of the recording.
      sample_rate_hz: of the clips; the codec's.
      seed: of places, strengths and faults.
      raters: who simulates.
    """

    manifest: str
    out_dir: str
    codec: str | None = None
    versions: int = 2
    seconds: float = 20.0
    sample_rate_hz: int = 16_000
    seed: int = 0
    raters: simulated_raters.SimulatedRatersConfig = dataclasses.field(
        default_factory=simulated_raters.SimulatedRatersConfig
    )

    def __post_init__(self) -> None:
        lasting = 0 < self.seconds < math.inf
        if not lasting or min(self.versions, self.sample_rate_hz) < 1:
            raise errors.InputError(
                "DegradationCorpusConfig needs versions, finite seconds and "
                f"sample_rate_hz above 0; got {self.versions}, {self.seconds} and "
                f"{self.sample_rate_hz}. Change them."
            )
        if self.seed < 0:
            raise errors.InputError(
                "DegradationCorpusConfig.seed must be 0 or more; got "
                f"{self.seed}. Set another."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Version:
    """One clip of the corpus: a recording (its index) with a fault."""

    recording: int
    kind: str
    number: int
    strength: float

    @property
    def path(self) -> str:
        return f"clips/{self.recording:06d}_{self.kind}_{self.number}.flac"


def run(
    config: DegradationCorpusConfig, progress: Callable[[int, int], None] | None = None
) -> pathlib.Path:
    """Writes the missing clips and the ratings file, whose path is returned.

    Args:
      config: what to make; the same config gives the same files.
      progress: called with (recordings done, recordings in all).

    Raises:
      InputError: for a corpus or codec that cannot be used, or where `out_dir` holds
        clips of other settings.
    """
    folder = pathlib.Path(config.out_dir)
    rows = manifest.read_manifest(pathlib.Path(config.manifest)).rows
    kinds = _kinds(config)
    _claim(folder, config)
    rated: list[ratings.Rating] = []
    for index, row in enumerate(rows):
        versions = list(_versions(config, index, kinds))
        _write_missing(config, row, versions, kinds)
        for version in versions:
            rated += _rate(config, row, version, len(rated))
        if progress is not None:
            progress(index + 1, len(rows))
    ratings.write_ratings(folder / RATINGS, rated)
    return folder / RATINGS


def _kinds(config: DegradationCorpusConfig) -> dict[str, degradations.Degradation]:
    kinds = dict(degradations.SIGNAL_KINDS)
    if config.codec is not None:
        kinds[CODEC] = _codec_artefacts(config, pathlib.Path(config.codec))
    return kinds


def _codec_artefacts(
    config: DegradationCorpusConfig, path: pathlib.Path
) -> degradations.CodecArtefacts:
    codec, params = codecs.load(path)
    if codec.sample_rate_hz != config.sample_rate_hz:
        raise errors.InputError(
            "DegradationCorpusConfig.sample_rate_hz must be the codec's "
            f"{codec.sample_rate_hz}; got {config.sample_rate_hz}. Set it so."
        )

    def reconstruct(
        clip: Float[np.ndarray, " n"], levels: int
    ) -> Float[np.ndarray, " m"]:
        whole = len(clip) // codec.samples_per_frame * codec.samples_per_frame
        codes = codec.encode(params, np.asarray(clip[None, :whole], np.float32))
        return np.asarray(codec.decode(params, codes[..., :levels]))[0]

    return degradations.CodecArtefacts(
        reconstruct=reconstruct, levels=codec.config.levels
    )


def _claim(folder: pathlib.Path, config: DegradationCorpusConfig) -> None:
    """Writes what the clips depend on into the folder, or compares with it."""
    settings = {"simulated": True} | dataclasses.asdict(config)
    del settings["out_dir"]
    path = folder / SETTINGS
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    found = json.loads(path.read_text(encoding="utf-8"))
    if found != settings:
        raise errors.InputError(
            f"{folder} holds degraded clips with {found}; these have {settings}. "
            "Set another DegradationCorpusConfig.out_dir or remove that folder."
        )


def _stream(config: DegradationCorpusConfig, recording: int, purpose: str) -> list[int]:
    """Returns the seed of one recording for one purpose."""
    return [config.seed, recording, zlib.crc32(purpose.encode())]


def _versions(
    config: DegradationCorpusConfig,
    recording: int,
    kinds: dict[str, degradations.Degradation],
) -> Iterator[_Version]:
    """Yields the recording itself, then its faulty versions."""
    yield _Version(recording=recording, kind=CLEAN, number=0, strength=0.0)
    for kind, degradation in kinds.items():
        random = np.random.default_rng(_stream(config, recording, f"strength/{kind}"))
        strengths = degradation.strengths(config.versions, random)
        for number, strength in enumerate(strengths):
            yield _Version(
                recording=recording, kind=kind, number=number, strength=strength
            )


def _write_missing(
    config: DegradationCorpusConfig,
    row: manifest.ClipRow,
    versions: list[_Version],
    kinds: dict[str, degradations.Degradation],
) -> None:
    """Writes the versions of one recording that do not exist yet."""
    folder, rate = pathlib.Path(config.out_dir), config.sample_rate_hz
    missing = [one for one in versions if not (folder / one.path).is_file()]
    if not missing:
        return
    clip = waveforms.read_audio(pathlib.Path(row.path), rate)
    samples = round(config.seconds * rate)
    random = np.random.default_rng(_stream(config, versions[0].recording, "place"))
    start = random.integers(max(0, len(clip) - samples), endpoint=True)
    clip = clip[start : start + samples]
    for one in missing:
        sound = clip
        if one.kind != CLEAN:
            seed = _stream(config, one.recording, f"fault/{one.kind}/{one.number}")
            sound = degradations.degrade(
                kinds[one.kind], clip, rate, one.strength, seed
            )
        path = folder / one.path
        temporary = path.with_name(f".{path.name}")
        waveforms.write_wav(temporary, sound, rate)
        temporary.replace(path)


def _rate(
    config: DegradationCorpusConfig,
    row: manifest.ClipRow,
    version: _Version,
    number: int,
) -> list[ratings.Rating]:
    """Returns the simulated scores of one clip."""
    return [
        ratings.Rating(
            path=version.path,
            rater=score.rater,
            score=float(score.score),
            origin=version.kind,
            split="train" if row.split == "train" else "held_out",
            strength=round(version.strength, 6),
            simulated=True,
        )
        for score in simulated_raters.rate(config.raters, number, version.strength)
    ]
