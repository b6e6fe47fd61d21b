"""Serves an exported MusicRL model: captions in, WAV files out.

    python serve.py "a slow waltz played by strings" --seed 7 --out waltz.wav

Needs Python 3.11, jax, numpy, safetensors and flatbuffers, and no package of MusicRL.
As a library: `Model(folder)`, then `model.music(captions, seed=7)`.
"""

import argparse
import hashlib
import json
import pathlib
import re
import sys
import unicodedata
import wave
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.export
import numpy as np
import safetensors.numpy

WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"  # kana, Han, Hangul: one character
    r"|[^\W_]+(?:'[^\W_]+)*"
)


class ServingError(Exception):
    """The artefact or a caption cannot be used; the text says which and why."""


class Tokenizer:
    """Captions to ids: 0 pads, then the known words, then buckets of hashes."""

    def __init__(self, words: Sequence[str], buckets: int, width: int) -> None:
        self._ids = {word: number for number, word in enumerate(words, start=1)}
        self._buckets = buckets
        self._width = width

    def encode(self, captions: Sequence[str]) -> np.ndarray:
        """Returns int32 ids `[captions, width]`; longer captions lose their end.

        Raises:
          ServingError: for a caption without text.
        """
        ids = np.zeros((len(captions), self._width), np.int32)
        for row, caption in zip(ids, captions, strict=True):
            words = words_of(caption)[: self._width]
            if not words:
                raise ServingError(f"A caption must have text; got {caption!r}.")
            row[: len(words)] = [self._id(word) for word in words]
        return ids

    def _id(self, word: str) -> int:
        bucket = zlib.crc32(word.encode()) % self._buckets
        return self._ids.get(word, 1 + len(self._ids) + bucket)


def words_of(caption: str) -> list[str]:
    """Returns the words: NFKC, lower case; the signs of a text that has no words."""
    normal = unicodedata.normalize("NFKC", caption).casefold().replace("\u2019", "'")
    return WORD.findall(normal) or [sign for sign in normal if not sign.isspace()]


class Model:
    """An exported model in memory.

    Attributes:
      config: what `config.json` holds.
      tokenizer: of captions.
    """

    def __init__(self, folder: str | pathlib.Path) -> None:
        """Checks the digest of every file, then reads programs and weights.

        Raises:
          ServingError: a file is missing or damaged; names it.
        """
        self._folder = pathlib.Path(folder)
        check(self._folder)
        self.config: dict[str, Any] = json.loads(self._read("config.json"))
        words = self._read("vocabulary.txt").decode().split("\n")[:-1]
        sizes = self.config["tokenizer"]
        self.tokenizer = Tokenizer(words, sizes["buckets"], sizes["width"])
        self._weights = {
            name: read_shards(self._folder / name) for name in self.config["networks"]
        }
        self._programs = {
            name: jax.jit(self._program(name)) for name in ("sampler", "music")
        }

    def sample(
        self, conditioning: np.ndarray, keys: jax.Array, temperature: float = 0.0
    ) -> dict[str, jax.Array]:
        """Returns "tokens" and "log_probs" of clips; see the README for shapes.

        Args:
          conditioning: MuLan tokens, one row a clip.
          keys: one a clip, see `clip_keys`.
          temperature: 0 stands for the model's own.
        """
        params = self._weights["policy"]
        warmth = np.float32(temperature or self.config["temperature"])
        return self._programs["sampler"](params, conditioning, keys, warmth)

    def music(
        self, captions: Sequence[str], seed: int = 0, temperature: float = 0.0
    ) -> dict[str, jax.Array]:
        """Returns "tokens" and "waveform" of one clip for each caption.

        A clip depends on its caption, its number and the seed, not on the others. The
        first call with another number of captions compiles.
        """
        ids = self.tokenizer.encode(captions)
        keys = clip_keys(seed, len(captions))
        warmth = np.float32(temperature or self.config["temperature"])
        return self._programs["music"](self._weights, ids, keys, warmth)

    def _program(self, name: str) -> Callable[..., Any]:
        data = self._read(f"programs/{name}.bin")
        return jax.export.deserialize(bytearray(data)).call

    def _read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()


def clip_keys(seed: int, count: int) -> jax.Array:
    """Returns a key for each of `count` clips, those of `musicrl generate --seed`."""
    named = jax.random.fold_in(jax.random.key(seed), zlib.crc32(b"generate"))
    return jax.vmap(lambda clip: jax.random.fold_in(named, clip))(np.arange(count))


def read_shards(folder: pathlib.Path) -> dict[str, jax.Array]:
    """Returns the tensors of a folder by name, on the default device."""
    index = json.loads((folder / "model.safetensors.index.json").read_bytes())
    found: dict[str, jax.Array] = {}
    for file in sorted(set(index["weight_map"].values())):
        tensors = safetensors.numpy.load_file(folder / file)
        found |= {name: jax.device_put(tensor) for name, tensor in tensors.items()}
    return found


def check(folder: pathlib.Path) -> None:
    """Compares every file with the manifest.

    Raises:
      ServingError: names the first file that is missing or damaged.
    """
    for needed in ("manifest.json", "manifest.sha256"):
        if not (folder / needed).is_file():
            raise ServingError(f"{folder} is no exported model: {needed} is missing.")
    line = f"{sha256(folder / 'manifest.json')}  manifest.json\n"
    if (folder / "manifest.sha256").read_bytes() != line.encode():
        raise ServingError("manifest.json (or manifest.sha256) is damaged.")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for name, facts in manifest["files"].items():
        path = folder / name
        if not path.is_file() or sha256(path) != facts["sha256"]:
            raise ServingError(f"{name} is missing or damaged; copy the model again.")


def sha256(path: pathlib.Path) -> str:
    """Returns the digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_wav(path: pathlib.Path, samples: np.ndarray, rate: int) -> None:
    """Writes a waveform in [-1, 1] as mono 16-bit PCM."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pcm = np.round(np.clip(samples, -1, 1) * 32_767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())


def main(arguments: Sequence[str] | None = None) -> None:
    """Plays the captions of the command line."""
    parser = argparse.ArgumentParser(description="Play captions.")
    parser.add_argument("captions", nargs="+", help="what to play")
    parser.add_argument("--model", default=str(pathlib.Path(__file__).parent))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--out", default="generated.wav", help="file, or a folder")
    options = parser.parse_args(arguments)
    model = Model(options.model)
    made = model.music(options.captions, options.seed, options.temperature)
    out = pathlib.Path(options.out)
    for number, samples in enumerate(np.asarray(made["waveform"])):
        path = out if len(options.captions) == 1 else out / f"{number:03d}.wav"
        write_wav(path, samples, model.config["sample_rate_hz"])
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    try:
        main()
    except ServingError as error:
        sys.exit(f"serve.py: {error}")
