"""Crops of a tokenised corpus with conditioning, as a pure function of the step."""

import dataclasses

import numpy as np
from jaxtyping import Int

from musicrl_jax.core import errors
from musicrl_jax.data import token_cache, token_records


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenBatches:
    """Random crops; each is conditioned on a caption or on a window of its own sound.

    Captions and sound share MuLan's codebooks, but not their errors: a model that has
    seen sound only takes captions badly (the paper trains on sound, section 3.1, and
    so do we for the other half).

    Attributes:
      cache: the tokenised corpus.
      clips: the numbers of the clips to use.
      batch_size: crops of a batch.
      frames: length of a crop.
      text_share: share of crops that are conditioned on a caption, of those whose clip
        has one.
      start_share: share of crops that begin their clip, which generation always does.
      seed: of the crops.
    """

    cache: token_cache.TokenCache
    clips: Int[np.ndarray, " c"]
    batch_size: int
    frames: int
    text_share: float = 0.5
    start_share: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        longest = self.cache.index.frames
        if not len(self.clips) or not 1 <= self.frames <= longest:
            raise errors.InputError(
                "Crops need clips of at least their length; got "
                f"{len(self.clips)} clips of {longest} frames for crops of "
                f"{self.frames}. Tokenise a longer corpus or shorten the crops."
            )

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Returns `tokens`, `conditioning` and `offset` of step `step`."""
        random = np.random.default_rng((self.seed, step))
        chosen = random.choice(self.clips, self.batch_size)
        clips = self.cache.clips(chosen.tolist())
        last = self.cache.index.frames - self.frames
        offsets = random.integers(0, last + 1, self.batch_size)
        offsets = np.where(
            random.random(self.batch_size) < self.start_share, 0, offsets
        )
        # Frame -1 of a clip's first crop is frame 0 here, and ignored by the network.
        reach = np.maximum(offsets[:, None] + np.arange(-1, self.frames)[None], 0)
        conditioning = [
            self._conditioning(clip, int(offset), random)
            for clip, offset in zip(clips, offsets, strict=True)
        ]
        return {
            "tokens": np.stack(
                [clip.tokens[row] for clip, row in zip(clips, reach, strict=True)]
            ),
            "conditioning": np.stack(conditioning).astype(np.int32),
            "offset": offsets.astype(np.int32),
        }

    def _conditioning(
        self, clip: token_records.TokenClip, offset: int, random: np.random.Generator
    ) -> Int[np.ndarray, " k"]:
        if random.random() < self.text_share and len(clip.text_codes):
            return random.choice(clip.text_codes)
        windows = self.cache.overlapping(offset, self.frames)
        return clip.audio_codes[random.choice(windows)]
