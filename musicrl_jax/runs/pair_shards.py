"""Pairs of clips in shards on disk; what is made outlives a kill."""

import dataclasses
import hashlib
import itertools
import json
import pathlib
import zipfile
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int, UInt16

from musicrl_jax.core import errors, rng
from musicrl_jax.runs import caption_choice, system, trait_clips

SETTINGS = "settings.json"

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pairs:
    """All pairs; axis 0 is the side: 0 first, 1 second.

    Attributes:
      tokens: of the clips.
      traits: of the clips.
      policies: number of the policy that made each clip.
      names: of the policies.
      frame_rate_hz: of the tokens.
    """

    tokens: UInt16[np.ndarray, "2 pairs f q"]
    traits: Float[np.ndarray, "2 pairs traits"]
    policies: Int[np.ndarray, "2 pairs"]
    names: tuple[str, ...]
    frame_rate_hz: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairShards:
    """How pairs are made and where they are kept.

    Attributes:
      folder: of the shards; each holds `clips_per_call` pairs.
      config: how clips are made.
      policies: weights files of the models that meet; none for the networks' own,
        whose clips then meet one another.
      seed: of clips and sides.
    """

    folder: pathlib.Path
    config: trait_clips.TraitConfig
    policies: tuple[str, ...]
    seed: int

    def collect(
        self, captions: caption_choice.Captions, progress: Progress | None = None
    ) -> Pairs:
        """Makes the shards that are missing, and returns the pairs of all.

        Raises:
          InputError: where the folder holds clips of other settings.
        """
        sampler = trait_clips.TraitSampler(self.config, self.policies)
        self._claim(captions)
        count, size = len(captions.texts), self.config.clips_per_call
        meetings = _meetings(len(sampler.params))
        tokens, traits, policies = [], [], []
        for number, start in enumerate(range(0, count, size)):
            texts = captions.texts[start : start + size]
            meeting = meetings[number % len(meetings)]
            shard = self._read(number) or self._make(
                sampler, number, texts, start, meeting
            )
            tokens.append(shard["tokens"])
            traits.append(shard["traits"])
            policies.append(np.repeat(np.asarray(meeting)[:, None], len(texts), axis=1))
            if progress is not None:
                progress(start + len(texts), count)
        return self._shuffled(
            np.concatenate(tokens, axis=1),
            np.concatenate(traits, axis=1),
            np.concatenate(policies, axis=1),
            sampler.layout.frame_rate_hz,
        )

    def _make(
        self,
        sampler: trait_clips.TraitSampler,
        number: int,
        texts: tuple[str, ...],
        start: int,
        meeting: tuple[int, int],
    ) -> dict[str, np.ndarray]:
        """Makes and writes one shard."""
        root = jax.random.key(self.seed)
        sides = [
            sampler(
                policy,
                texts,
                rng.clip_keys(root, f"preferences/{side}", start, len(texts)),
            )
            for side, policy in zip(("first", "second"), meeting, strict=True)
        ]
        tokens = np.stack([side.tokens for side in sides])
        traits = np.stack([side.traits for side in sides])
        partial = self._path(number).with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, tokens=tokens, traits=traits)
        partial.replace(self._path(number))
        return {"tokens": tokens, "traits": traits}

    def _read(self, number: int) -> dict[str, np.ndarray] | None:
        """Returns a shard that is there and whole; None for another."""
        try:
            with np.load(self._path(number)) as file:
                return {name: file[name] for name in ("tokens", "traits")}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None

    def _path(self, number: int) -> pathlib.Path:
        return self.folder / f"pairs-{number:05d}.npz"

    def _shuffled(
        self,
        tokens: UInt16[np.ndarray, "2 pairs f q"],
        traits: Float[np.ndarray, "2 pairs traits"],
        policies: Int[np.ndarray, "2 pairs"],
        frame_rate_hz: float,
    ) -> Pairs:
        """Returns the pairs with sides drawn by a coin."""
        random = np.random.default_rng([self.seed, 0])
        first = random.integers(2, size=policies.shape[1])
        sides = np.stack([first, 1 - first])
        places = np.arange(policies.shape[1])[None, :]
        paths = self.policies or ("musiclm",)
        return Pairs(
            tokens=tokens[sides, places],
            traits=traits[sides, places],
            policies=policies[sides, places],
            names=tuple(str(path) for path in paths),
            frame_rate_hz=frame_rate_hz,
        )

    def _claim(self, captions: caption_choice.Captions) -> None:
        """Writes what the clips follow from into the folder, or compares with it."""
        settings = self._settings(captions)
        path = self.folder / SETTINGS
        self.folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(json.dumps(settings, indent=1), encoding="utf-8")
        found = json.loads(path.read_text(encoding="utf-8"))
        if other := [name for name in settings if found.get(name) != settings[name]]:
            raise errors.InputError(
                f"{self.folder} holds clips made from other {', '.join(other)} than "
                "asked for now. Choose another --out, or remove that folder."
            )

    def _settings(self, captions: caption_choice.Captions) -> dict[str, Any]:
        folder = system.networks_directory(self.config.networks)
        own = self.policies or (str(folder / "musiclm.safetensors"),)
        quality = self.config.quality_file
        files = {
            "codec": folder / "codec.safetensors",
            "mulan": folder / "mulan.safetensors",
            **{f"policy_{i}": pathlib.Path(path) for i, path in enumerate(own)},
            **({"quality": quality} if quality else {}),
        }
        return {
            "captions": _digest("\n".join(captions.texts).encode()),
            "seconds": self.config.seconds,
            "temperature": self.config.temperature,
            "clips_per_call": self.config.clips_per_call,
            "seed": self.seed,
        } | {name: _digest(path.read_bytes()) for name, path in files.items()}


def _meetings(policies: int) -> list[tuple[int, int]]:
    """Returns the pairs of policies that take turns, shard by shard."""
    return list(itertools.combinations(range(policies), 2)) or [(0, 0)]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
