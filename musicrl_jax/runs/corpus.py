"""Builds the procedural corpus: clips as FLAC and their manifest.

`build` goes on where it was stopped: clips that exist are not rendered again.
"""

import dataclasses
import json
import math
import multiprocessing
import pathlib
from collections.abc import Callable, Iterator

from musicrl_jax.audio import waveform as waveforms
from musicrl_jax.core import errors
from musicrl_jax.data import manifest
from musicrl_jax.synthesis import captions, composer, plan, renderer

DEFAULT_SOUNDFONT = "/usr/share/sounds/sf3/MuseScore_General_Lite.sf3"
MANIFEST = "manifest.jsonl"
SETTINGS = "corpus.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """The corpus to build.

    Attributes:
      out_dir: folder of `manifest.jsonl` and `clips/`.
      seed: another seed gives other music.
      soundfont: a General MIDI .sf2 or .sf3 file.
      workers: rendering processes.
    """

    out_dir: str
    num_clips: int = 1500
    seconds: float = 30.0
    sample_rate_hz: int = 16_000
    seed: int = 0
    soundfont: str = DEFAULT_SOUNDFONT
    workers: int = 2

    def __post_init__(self) -> None:
        for name in ("num_clips", "seconds", "sample_rate_hz", "workers"):
            if not 0 < getattr(self, name) < math.inf:
                raise errors.InputError(
                    f"CorpusConfig.{name} must be positive and finite; got "
                    f"{getattr(self, name)}. Set another."
                )
        if self.seed < 0:
            raise errors.InputError(
                f"CorpusConfig.seed must be 0 or more; got {self.seed}. Set another."
            )


def build(
    config: CorpusConfig, report: Callable[[int, int], None] | None = None
) -> pathlib.Path:
    """Renders the missing clips and writes the manifest.

    Args:
      config: what to build; the same config gives the same bytes.
      report: called with (clips done, clips in all).

    Returns:
      The manifest's path.

    Raises:
      InputError: where `out_dir` holds a corpus of other settings, or the soundfont
        cannot be used.
    """
    folder = pathlib.Path(config.out_dir)
    _claim(folder, config)
    rows = [_row(config, plan.draw(config.seed, i)) for i in range(config.num_clips)]
    missing = [
        i for i in range(config.num_clips) if not (folder / _clip_path(i)).is_file()
    ]
    for done, _ in enumerate(_render_all(config, missing), start=1):
        if report is not None:
            report(config.num_clips - len(missing) + done, config.num_clips)
    manifest.write_manifest(folder / MANIFEST, rows)
    return folder / MANIFEST


def _claim(folder: pathlib.Path, config: CorpusConfig) -> None:
    """Writes what the clips depend on into the folder, or compares with it."""
    settings = {
        "seconds": config.seconds,
        "sample_rate_hz": config.sample_rate_hz,
        "seed": config.seed,
        "soundfont": pathlib.Path(config.soundfont).name,
    }
    path = folder / SETTINGS
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")
    found = json.loads(path.read_text(encoding="utf-8"))
    if found != settings:
        raise errors.InputError(
            f"{folder} holds a corpus with {found}; this one has {settings}. "
            "Set another CorpusConfig.out_dir or remove that folder."
        )


def _clip_path(number: int) -> str:
    """Returns a clip's path in the corpus folder."""
    return f"clips/{number:06d}.flac"


def _row(config: CorpusConfig, clip: plan.ClipPlan) -> manifest.ClipRow:
    return manifest.ClipRow(
        path=_clip_path(clip.number),
        duration_seconds=config.seconds,
        sample_rate_hz=config.sample_rate_hz,
        captions=captions.write(clip, config.seed),
        attributes=clip.attributes,
        split=clip.split,
        licence="CC0-1.0",
    )


def _render_all(config: CorpusConfig, numbers: list[int]) -> Iterator[int]:
    """Yields the number of each clip after it was rendered."""
    if not numbers:
        return
    if config.workers == 1:
        worker = _Worker(config)
        yield from map(worker, numbers)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(config.workers, _start_worker, (config,)) as pool:
        yield from pool.imap_unordered(_work, numbers, chunksize=4)


class _Worker:
    """Renders clips into the corpus folder, each through a temporary file."""

    def __init__(self, config: CorpusConfig) -> None:
        self._config = config
        self._renderer = renderer.Renderer(
            pathlib.Path(config.soundfont), config.sample_rate_hz
        )

    def __call__(self, number: int) -> int:
        """Renders one clip; returns its number."""
        config = self._config
        clip = plan.draw(config.seed, number)
        piece = composer.compose(clip, config.seed, config.seconds)
        random = plan.generator(config.seed, number, "render")
        sound = self._renderer.render(piece, config.seconds, random)
        path = pathlib.Path(config.out_dir) / _clip_path(number)
        temporary = path.with_name(f".{path.name}")
        waveforms.write_wav(temporary, sound, config.sample_rate_hz)
        temporary.replace(path)
        return number


_workers: list[_Worker] = []


def _start_worker(config: CorpusConfig) -> None:
    """Loads the soundfont once in each process of the pool."""
    _workers.append(_Worker(config))


def _work(number: int) -> int:
    return _workers[0](number)
