"""Plans a blind rater study of several models' clips (paper, section 4.3).

Required: `StudyPlanConfig.models` (also `--models A=FOLDER B=FOLDER ...`).
Commonly overridden (also --out, --prompts_file, --raters, --seed).

The clips of a model are `000.wav`, `001.wav`... of its folder, in the order of the
prompts, as `musicrl generate` writes them. Raters get `for_raters/`, nothing else.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Shaped

from musicrl_jax.audio import headers, waveform
from musicrl_jax.core import errors
from musicrl_jax.evaluation import prompts as prompts_lib
from musicrl_jax.evaluation.studies import files, plan
from musicrl_jax.runs import prompt_files

Progress = Callable[[int, int], None]
SUFFIXES = (".wav", ".flac")
_SHOWN = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyPlanConfig:
    """A study to plan.

    Attributes:
      models: "NAME=FOLDER" for each model, baselines first.
      out: folder of the study.
      prompts_file: texts, one a line or JSON lines; empty for the paper's 101.
      raters: how many people share the work.
      raters_per_comparison: different raters of each pair of clips.
      seed: of assignment, sides, order and names. Keep it from the raters.
    """

    models: tuple[str, ...]
    out: str = "study"
    prompts_file: str = ""
    raters: int = 12
    raters_per_comparison: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for model in self.models:
            name, equals, folder = model.partition("=")
            if not (name.strip() and equals and folder.strip()):
                raise errors.InputError(
                    f"A model is given as NAME=FOLDER; got {model!r}. Pass, for "
                    "example, MusicLM=clips/musiclm."
                )

    @property
    def folders(self) -> dict[str, pathlib.Path]:
        """The folder of each model's clips."""
        parts = (model.partition("=") for model in self.models)
        return {name.strip(): pathlib.Path(folder) for name, _, folder in parts}


def run(config: StudyPlanConfig, progress: Progress | None = None) -> dict[str, Any]:
    """Checks the clips, writes the study and returns what it consists of.

    Raises:
      InputError: where clips are missing, unreadable, or of different lengths or
        rates, all of them counted; or where `out` holds a study already.
    """
    out = pathlib.Path(config.out)
    if (out / files.KEY).exists():
        raise errors.InputError(
            f"{out} holds a study already; its ratings would no longer fit. Choose "
            "another --out."
        )
    design = plan.Design(
        models=_names(config.models),
        prompts=read_prompts(config.prompts_file),
        raters=config.raters,
        raters_per_comparison=config.raters_per_comparison,
        seed=config.seed,
    )
    clips = find_clips(config.folders, len(design.prompts))
    header = check_clips(list(clips.values()))
    names = plan.clip_names(design)
    audio = out / files.FOR_RATERS / files.AUDIO
    audio.mkdir(parents=True, exist_ok=True)
    # In the order of blind names, so that times of writing do not tell models apart.
    for done, clip in enumerate(sorted(clips, key=names.__getitem__), start=1):
        copy_sound(clips[clip], audio / names[clip])
        if progress is not None:
            progress(done, len(clips))
    tasks = plan.make_tasks(design)
    files.write_study(out, design, tasks)
    return {
        "for_raters": out / files.FOR_RATERS,
        "key": out / files.KEY,
        "models": list(design.models),
        "prompts": len(design.prompts),
        "pairs": len(design.pairs),
        "raters": design.raters,
        "ratings_per_pair": len(design.prompts) * design.raters_per_comparison,
        "tasks": len(tasks),
        "clips": len(clips),
        "seconds": round(header.duration_seconds, 3),
    }


def read_prompts(path: str) -> tuple[str, ...]:
    """Returns the texts of a file, or the paper's where `path` is empty.

    Raises:
      InputError: where the file cannot be used.
    """
    if path:
        return prompt_files.read(path)
    return tuple(prompt.text for prompt in prompts_lib.paper_prompts())


def find_clips(
    folders: Mapping[str, pathlib.Path], count: int
) -> dict[tuple[str, int], pathlib.Path]:
    """Returns the file of each (model, prompt).

    Raises:
      InputError: where files are missing; it counts them.
    """
    found: dict[tuple[str, int], pathlib.Path] = {}
    missing: list[str] = []
    for name, folder in folders.items():
        for number in range(count):
            choices = [folder / f"{number:03d}{suffix}" for suffix in SUFFIXES]
            there = [path for path in choices if path.is_file()]
            if there:
                found[name, number] = there[0]
            else:
                missing.append(str(choices[0]))
    if missing:
        raise errors.InputError(
            f"Each model needs a clip of each of the {count} prompts; {len(missing)} "
            f"of {count * len(folders)} are missing: {_few(missing)}. Generate them."
        )
    return found


def check_clips(paths: Sequence[pathlib.Path]) -> headers.Header:
    """Returns what all files say of themselves.

    Raises:
      InputError: where files cannot be read, or differ in length or sample rate; it
        counts them.
    """
    read: dict[pathlib.Path, headers.Header] = {}
    reasons: list[str] = []
    for path in paths:
        try:
            read[path] = headers.read_header(path)
        except errors.InputError as error:
            reasons.append(str(error))
    if reasons:
        raise errors.InputError(
            f"All clips must be readable; {len(reasons)} of {len(paths)} are not. "
            f"First: {reasons[0]}"
        )
    kinds = list(read.values())
    usual = max(kinds, key=kinds.count)
    others = [str(path) for path, header in read.items() if header != usual]
    if others:
        raise errors.InputError(
            "All clips of a study must have the same length and sample rate; "
            f"{len(others)} of {len(paths)} are not of {usual.duration_seconds:g} s at "
            f"{usual.sample_rate_hz} Hz: {_few(others)}. Generate them alike."
        )
    return usual


def copy_sound(source: pathlib.Path, target: pathlib.Path) -> None:
    """Writes a clip's samples as 16-bit WAV, without the tags and dates of its file."""
    with waveform.open_audio(source) as file:
        plain = file.subtype == "PCM_16"
        samples: Shaped[np.ndarray, "n c"] = file.read(
            dtype="int16" if plain else "float32", always_2d=True
        )
        soundfile.write(target, samples, file.samplerate, subtype="PCM_16")


def _names(models: Sequence[str]) -> tuple[str, ...]:
    return tuple(model.partition("=")[0].strip() for model in models)


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
