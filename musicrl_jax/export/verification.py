"""An artefact's answers, from a process without this package, against its own."""

import dataclasses
import pathlib
import subprocess
import sys
import tempfile
import wave
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Int

from musicrl_jax.core import errors, rng
from musicrl_jax.export import probe
from musicrl_jax.sampling import generator

CAPTIONS = (
    "A slow waltz played by strings.",
    "A fast tango played by an accordion.",
    "Calm ambient music with a zxqv synthesiser!",
)
BATCHES = (1, 3)
SEED = 7
_TIMEOUT_SECONDS = 3600.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verified:
    """What was compared.

    Attributes:
      files: whose digests are those of the manifest.
      batches: sizes, all served by the same programs.
      tokens: that both programs and the package drew alike, in all.
      waveform_difference: the largest between the package's samples and the served
        ones, of a full scale of 1.
      wav_seconds: of the WAV file that the process wrote.
    """

    files: int
    batches: Sequence[int]
    tokens: int
    waveform_difference: float
    wav_seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reference:
    """The package's own way from captions to sound.

    Attributes:
      make: the chain.
      networks: its parameters.
      seconds: length of the clips.
    """

    make: generator.Generator
    networks: generator.Networks
    seconds: float


def compare(folder: pathlib.Path, reference: Reference, files: int) -> Verified:
    """Serves the artefact in a process of its own and compares every token.

    Raises:
      InputError: the process failed; says its last line.
      InvariantError: it drew other tokens than the package does.
    """
    conditioning = np.asarray(
        reference.make.condition(reference.networks.embedder, CAPTIONS), np.int32
    )
    with tempfile.TemporaryDirectory() as place:
        answer = pathlib.Path(place) / "answer.npz"
        _ask(folder, conditioning, answer)
        with np.load(answer) as file:
            found = dict(file)
        with wave.open(str(answer.with_suffix(".wav"))) as sound:
            wav_seconds = sound.getnframes() / sound.getframerate()
    tokens, difference = 0, 0.0
    for size in BATCHES:
        keys = rng.clip_keys(jax.random.key(SEED), "generate", 0, size)
        clips, waveform = reference.make(
            reference.networks, CAPTIONS[:size], keys, reference.seconds
        )
        for program in ("sampler", "music"):
            _check_equal(program, np.asarray(clips.tokens), found[f"{program}_{size}"])
        tokens += clips.tokens.size
        apart = np.abs(waveform - found[f"waveform_{size}"])
        difference = max(difference, float(apart.max()))
    return Verified(
        files=files,
        batches=BATCHES,
        tokens=tokens,
        waveform_difference=difference,
        wav_seconds=wav_seconds,
    )


def _ask(
    folder: pathlib.Path, conditioning: Int[np.ndarray, "b k"], answer: pathlib.Path
) -> None:
    """Has the process answer into a file."""
    request = answer.with_name("request.npz")
    np.savez(
        request,
        captions=np.asarray(CAPTIONS),
        seed=np.asarray(SEED),
        batches=np.asarray(BATCHES),
        conditioning=conditioning,
    )
    line = [sys.executable, "-I", probe.__file__, folder.resolve(), request, answer]
    done = subprocess.run(
        [str(part) for part in line],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        words = done.stderr.strip().splitlines()[-1:] or ["no output"]
        raise errors.InputError(
            f"{folder} must be servable by its own serve.py; the process ended with "
            f"code {done.returncode}: {words[0]}. Export the model again."
        )


def _check_equal(
    program: str, own: Int[np.ndarray, "b f q"], served: Int[np.ndarray, "b f q"]
) -> None:
    if own.shape == served.shape and np.array_equal(own, served):
        return
    share = np.mean(own != served) if own.shape == served.shape else 1.0
    raise errors.InvariantError(
        f"The exported {program} program must draw the package's tokens; of "
        f"{len(own)} clips {share:.2%} of the tokens differ. Export the model with "
        "this version and on this kind of device."
    )
