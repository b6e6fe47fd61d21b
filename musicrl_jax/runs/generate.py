"""`musicrl generate`: prompts to WAV files."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from musicrl_jax.audio import levels, waveform
from musicrl_jax.core import errors, rng
from musicrl_jax.evaluation import prompts as prompts_lib
from musicrl_jax.models.musiclm import guidance
from musicrl_jax.runs import export_source, prompt_files, system, unknown_words

Progress = Callable[[int, int], None]
MOST_CHARACTERS = 2000
LONGEST_SECONDS = 30.0
SHORTEST_SECONDS = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """What to make.

    Attributes:
      prompts: descriptions of the music, in English for the starter model.
      prompts_file: instead of these, a file with one a line.
      paper_prompts: instead of these, the paper's 101 (appendix A).
      out: the WAV file to write; for several prompts a folder.
      seconds: its length; the policy was trained on positions up to 30 s.
      seed: another seed is another piece.
      networks: directory of the networks; empty means those of the package.
      policy: instead of theirs a weights file, or the directory of a run, whose best
        step it then is.
      temperature: of sampling (paper, section 4.2).
      guidance: of sampling: 1.0 is none, more follows the prompt more closely. Needs a
        policy that was trained with dropout of its conditioning.
      clips_per_call: clips made at a time.
    """

    prompts: tuple[str, ...] = ()
    prompts_file: str = ""
    paper_prompts: bool = False
    out: str = "generated.wav"
    seconds: float = 30.0
    seed: int = 0
    networks: str = ""
    policy: str = ""
    temperature: float = 0.99
    guidance: float = 1.0
    clips_per_call: int = 8

    def __post_init__(self) -> None:
        sources = (self.prompts, self.prompts_file, self.paper_prompts)
        if sum(map(bool, sources)) != 1:
            raise errors.InputError(
                "Prompts are needed, from one source; got "
                f"{sum(map(bool, sources))}. Pass --prompt, --prompts_file or "
                "--paper_prompts."
            )
        for prompt in self.prompts:
            check_prompt(prompt)
        if self.clips_per_call < 1:
            raise errors.InputError(
                "GenerateConfig.clips_per_call must be at least 1; got "
                f"{self.clips_per_call}."
            )
        if not SHORTEST_SECONDS <= self.seconds <= LONGEST_SECONDS:
            raise errors.InputError(
                f"seconds must lie in [{SHORTEST_SECONDS:g}, {LONGEST_SECONDS:g}]; got "
                f"{self.seconds:g}. Pass --seconds within that range."
            )
        if not self.temperature > 0:
            raise errors.InputError(
                f"temperature must be positive; got {self.temperature}. Use 0.99."
            )


FORMATS = (".wav", ".flac")


def check_prompt(prompt: str) -> None:
    """Refuses prompts that no music can be made for.

    Raises:
      InputError: an empty or an overlong prompt.
    """
    if not prompt.strip():
        raise errors.InputError(
            f"A prompt needs words; got {prompt!r}. Describe the music, for "
            'example --prompt "a slow waltz played by strings".'
        )
    if len(prompt) > MOST_CHARACTERS:
        raise errors.InputError(
            f"A prompt has at most {MOST_CHARACTERS} characters; got {len(prompt)}. "
            "Shorten it to a few sentences."
        )


def generate(
    config: GenerateConfig, progress: Progress | None = None
) -> dict[str, Any]:
    """Samples one clip for each prompt and writes it as 16-bit WAV.

    A clip depends on its prompt and its number, not on the clips made with it.

    Returns:
      Under "clips" for each: file, prompt, seconds, seed, level in dBFS, shares of
      silent frames and clipped samples, and of words that the model was trained with.

    Raises:
      InputError: networks are missing or damaged, or a file cannot be written.
    """
    prompts = all_prompts(config)
    files = output_files(pathlib.Path(config.out), len(prompts))
    for file in files:
        check_writable(file)
    networks = system.networks_directory(config.networks)
    language = _language(config, networks)
    sound = system.Sound(networks, language.policy)
    unknown_words.warn(sound.tokenizer, prompts, "the prompts")
    rows = []
    clips = _make(config, language, sound, prompts)
    for file, prompt, samples in zip(files, prompts, clips, strict=True):
        waveform.write_wav(file, samples, sound.sample_rate_hz)
        known = sound.tokenizer.known_share(prompt)
        rows.append(
            {"out": str(file), "prompt": prompt, "seed": config.seed}
            | describe(samples, sound.sample_rate_hz)
            | {"known_words_share": round(known, 3)}
        )
        if progress is not None and len(prompts) > config.clips_per_call:
            progress(len(rows), len(prompts))
    return {"clips": rows}


def _language(config: GenerateConfig, networks: pathlib.Path) -> system.Language:
    """Reads the policy that the config names.

    Raises:
      InputError: there is none, or its run read other networks.
    """
    if not config.policy:
        return system.load_language(networks)
    with tempfile.TemporaryDirectory() as folder:
        source = export_source.fetch(config.policy, "", pathlib.Path(folder))
        source.check_networks(networks)
        return system.load_language(networks, str(source.policy))


def all_prompts(config: GenerateConfig) -> tuple[str, ...]:
    """Returns the prompts of whichever source the config names.

    Raises:
      InputError: where the file cannot be used.
    """
    if config.paper_prompts:
        return tuple(prompt.text for prompt in prompts_lib.paper_prompts())
    if not config.prompts_file:
        return config.prompts
    prompts = prompt_files.read(config.prompts_file)
    for prompt in prompts:
        check_prompt(prompt)
    return prompts


def _make(
    config: GenerateConfig,
    language: system.Language,
    sound: system.Sound,
    prompts: Sequence[str],
) -> Iterator[Float[np.ndarray, " n"]]:
    """Yields the clips in order; the last call's surplus is thrown away."""
    sample = system.Sampler(
        policy=guidance.guided(language.policy, config.guidance),
        num_frames=language.policy.layout.num_frames(config.seconds),
        temperature=config.temperature,
    )
    count = len(prompts)
    size = min(count, config.clips_per_call)
    keys = rng.clip_keys(jax.random.key(config.seed), "generate", 0, count)
    conditioning = sound.condition(prompts)
    for start in range(0, count, size):
        rows = np.arange(start, start + size) % count
        clips = sample(language.params, conditioning[rows], keys[rows])
        yield from np.asarray(sound.render(clips.tokens))[: count - start]


def describe(samples: Float[np.ndarray, " n"], rate: int) -> dict[str, float]:
    """Returns what a clip measures."""
    return {
        "seconds": len(samples) / rate,
        "rms_dbfs": round(levels.rms_dbfs(samples), 2),
        "silence_share": levels.silence_share(samples, rate),
        "clipping_share": levels.clipping_share(samples),
    }


def output_files(out: pathlib.Path, count: int) -> list[pathlib.Path]:
    """Returns `out` itself for one clip, numbered files in the folder `out` for more.

    Raises:
      InputError: the folder cannot be made.
    """
    if count == 1:
        return [out]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.InputError(
            f"Several prompts need a folder to write to; {out} is none "
            f"({error.strerror}). Choose another --out."
        ) from error
    return [out / f"{number:03d}.wav" for number in range(count)]


def check_writable(path: pathlib.Path) -> None:
    """Makes sure that a file can be written, before any work is done for it.

    Raises:
      InputError: it cannot, or its suffix is of no format that is written here.
    """
    if path.suffix.lower() not in FORMATS:
        raise errors.InputError(
            f"Sound is written to files that end in {' or '.join(FORMATS)}; got "
            f"{path}. Change --out."
        )
    existed = path.exists()
    try:
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise errors.InputError(
            f"The output must be a file in a writable folder; {path} is not "
            f"({error.strerror}). Choose another --out."
        ) from error
