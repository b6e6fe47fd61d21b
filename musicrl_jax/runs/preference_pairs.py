"""Pairs of a preference set with what a model reads, and the judging of models."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Float, Int, UInt16

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import arrays, errors, protocols
from musicrl_jax.core import layout as layouts
from musicrl_jax.data import (
    preference_batches,
    preference_choices,
    preference_rows,
    preferences,
)
from musicrl_jax.evaluation import scores
from musicrl_jax.models.preference import adapter
from musicrl_jax.rewards import batches
from musicrl_jax.runs import network_files, pretrain_mulan, pretrain_musiclm

CAPTIONS_PER_CALL = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pairs:
    """A preference set, split.

    Attributes:
      tokens: of its clips.
      facts: of the whole set.
      selection: the pairs to train on, and those held out.
      conditioning: MuLan tokens of each caption.
    """

    tokens: UInt16[np.ndarray, "clips f q"]
    facts: preference_rows.Facts
    selection: preference_choices.Selection
    conditioning: dict[str, Int[np.ndarray, " k"]]

    @property
    def label(self) -> str:
        """What the names of figures begin with: "simulated/" or nothing."""
        return "simulated/" if self.facts.simulated else ""

    def conditions(self, choices: preference_choices.Choices) -> np.ndarray:
        """Returns the MuLan tokens of each pair's caption, int32 [pairs, k]."""
        return np.stack([self.conditioning[text] for text in choices.captions])

    def frames(self, crop_seconds: float) -> int:
        """Returns the frames of a crop; 0 s stands for whole clips."""
        if not crop_seconds:
            return self.tokens.shape[1]
        return round(crop_seconds * self.facts.frame_rate_hz)


def read(
    folder: str,
    selection: preference_choices.SelectionConfig,
    networks: pathlib.Path,
    layout: layouts.TokenLayout,
) -> Pairs:
    """Reads a set, splits it and quantises its captions.

    Raises:
      InputError: where the set cannot be read, or has other tokens than the layout.
    """
    found, chosen = _split(folder, selection, layout)
    captions = sorted({*chosen.train.captions, *chosen.held_out.captions})
    codes = caption_codes(networks / network_files.MULAN, captions)
    return Pairs(
        tokens=found.tokens,
        facts=found.facts,
        selection=chosen,
        conditioning=dict(zip(captions, codes, strict=True)),
    )


def check(
    folder: str, selection: preference_choices.SelectionConfig, networks: pathlib.Path
) -> None:
    """Refuses a set that `read` would, with the layout of MusicLM; uses no device.

    Raises:
      InputError: see `read`, and where MusicLM cannot be read.
    """
    path = networks / network_files.MUSICLM
    policy = weights.make_network(path, "musiclm", pretrain_musiclm.make)
    _split(folder, selection, policy.layout)


def _split(
    folder: str,
    selection: preference_choices.SelectionConfig,
    layout: layouts.TokenLayout,
) -> tuple[preferences.PreferenceSet, preference_choices.Selection]:
    """Reads a set and splits it."""
    found = preferences.read_preferences(pathlib.Path(folder))
    _check_layout(found, folder, layout)
    return found, preference_choices.select(found.pairs, selection)


def caption_codes(
    mulan_weights: pathlib.Path, captions: Sequence[str]
) -> Int[np.ndarray, "n k"]:
    """Returns the MuLan tokens of captions."""
    mulan, params, tokenizer = pretrain_mulan.load(mulan_weights)
    parts = []
    for start in range(0, len(captions), CAPTIONS_PER_CALL):
        ids = tokenizer.encode(captions[start : start + CAPTIONS_PER_CALL])
        padded = batches.pad_rows(ids, CAPTIONS_PER_CALL)
        parts.append(np.asarray(_codes(mulan, params, padded))[: len(ids)])
    return np.concatenate(parts).astype(np.int32)


@functools.partial(jax.jit, static_argnums=0)
def _codes(
    embedder: protocols.JointEmbedder, params: arrays.Params, ids: Int[Array, "b w"]
) -> Int[Array, "b k"]:
    return embedder.quantize(params, embedder.embed_text(params, ids))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judge:
    """Scores pairs with a model.

    Attributes:
      model: whose scores are asked for.
      pairs: the set.
      choices: the pairs to score.
      frames: of each clip's middle that are scored.
      clips_per_call: clips in one call of the network; the last call is padded.
    """

    model: adapter.PreferenceModel
    pairs: Pairs
    choices: preference_choices.Choices
    frames: int
    clips_per_call: int = 32

    def scores(
        self, params: arrays.Params
    ) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
        """Returns the scores of the preferred clips and of the others.

        A clip that several users heard with the same caption is scored once.
        """
        captions, number = np.unique(self.choices.captions, return_inverse=True)
        clips = np.concatenate([self.choices.preferred, self.choices.other])
        heard, places = np.unique(
            np.stack([clips, np.tile(number, 2)]), axis=1, return_inverse=True
        )
        codes = np.stack([self.pairs.conditioning[str(text)] for text in captions])
        scored = self._scores(params, heard[0], codes[heard[1]])[places.reshape(-1)]
        preferred, other = np.split(scored, 2)
        return preferred, other

    @functools.cached_property
    def repetition(self) -> Float[np.ndarray, " clips"]:
        """The share of repeated tokens of the preferred clips, then of the others."""
        rows = np.concatenate([self.choices.preferred, self.choices.other])
        parts = []
        for start in range(0, len(rows), self.clips_per_call):
            clips = self.pairs.tokens[rows[start : start + self.clips_per_call]]
            cropped = preference_batches.middle(clips, self.frames)
            parts.append(scores.repetition(cropped.astype(np.int32)))
        return np.concatenate(parts)

    def _scores(
        self,
        params: arrays.Params,
        rows: Int[np.ndarray, " r"],
        conditioning: Int[np.ndarray, "r k"],
    ) -> Float[np.ndarray, " r"]:
        size, parts = self.clips_per_call, []
        for start in range(0, len(rows), size):
            some = rows[start : start + size]
            clips = np.asarray(self.pairs.tokens[some], np.int32)
            cropped = preference_batches.middle(clips, self.frames)
            scored = self.model.score(
                params,
                batches.pad_rows(cropped, size),
                batches.pad_rows(conditioning[start : start + size], size),
            )
            parts.append(np.asarray(scored)[: len(some)])
        return np.concatenate(parts)


def _check_layout(
    found: preferences.PreferenceSet, folder: str, layout: layouts.TokenLayout
) -> None:
    """Refuses tokens that the trunk does not know."""
    sizes = np.asarray(layout.codebook_sizes)
    count = found.facts.tokens_per_frame, found.facts.frame_rate_hz
    wanted = layout.tokens_per_frame, layout.frame_rate_hz
    if count != wanted:
        raise errors.InputError(
            f"{folder} must have the policy's {wanted[0]} tokens a frame and "
            f"{wanted[1]} frames a second; it has {count[0]} and {count[1]}. Use the "
            "networks that its clips were sampled with."
        )
    largest = np.zeros(len(sizes), np.int64)
    for start in range(0, len(found.tokens), CAPTIONS_PER_CALL):
        part = found.tokens[start : start + CAPTIONS_PER_CALL]
        largest = np.maximum(largest, part.max(axis=(0, 1)))
    if (largest >= sizes).any():
        raise errors.InputError(
            f"Tokens of {folder} must lie below {sizes.tolist()}; got up to "
            f"{largest.tolist()}. Use the networks that its clips were sampled with."
        )
