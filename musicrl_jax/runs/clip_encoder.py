"""Sound and captions as tokens, a batch at a time, by compiled networks."""

import pathlib
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Int16

from musicrl_jax.core import arrays
from musicrl_jax.runs import pretrain_mulan, tokenizers

_CAPTIONS = 64  # embedded at a time


class ClipEncoder:
    """Codec, semantic tokenizer and MuLan, and where they listen.

    Attributes:
      sample_rate_hz: of the sound.
      samples: of a clip: whole frames.
      starts: first frame of each window.
      window_frames: frames of a window.
    """

    def __init__(
        self,
        networks: pathlib.Path,
        seconds: float,
        window_seconds: float,
        windows: int,
        coarse_levels: int = 0,
    ) -> None:
        """Loads the networks; nothing is compiled yet.

        Args:
          networks: folder of codec, semantic and MuLan weights.
          seconds: length of a clip.
          window_seconds: length of the windows whose MuLan codes are wanted.
          windows: of each clip, evenly spaced from its beginning to its end.
          coarse_levels: of the codec; 0 for all.

        Raises:
          InputError: for networks that cannot be read or do not fit together.
        """
        sound, self._params = tokenizers.load(networks, coarse_levels)
        mulan, _, self._words = pretrain_mulan.load(networks / "mulan.safetensors")
        codec = sound.codec
        hop = codec.samples_per_frame
        self.sample_rate_hz = codec.sample_rate_hz
        self.samples = int(seconds * codec.sample_rate_hz) // hop * hop
        self.window_frames = sound.layout.num_frames(window_seconds)
        last = sound.layout.num_frames(seconds) - self.window_frames
        self.starts = np.linspace(0, last, windows).round().astype(int).tolist()
        self._codes = mulan.config.conditioning_tokens
        first = tuple(start * hop for start in self.starts)
        window = round(window_seconds * codec.sample_rate_hz)

        @jax.jit
        def hear(
            params: arrays.Params, audio: Float[Array, "b n"]
        ) -> tuple[Int[Array, "b f q"], Int[Array, "b a k"]]:
            codes = sound.window_codes(params, audio, first, window)
            return sound.clip_tokens(params, audio), codes

        @jax.jit
        def read(params: arrays.Params, words: Int[Array, "c w"]) -> Int[Array, "c k"]:
            return mulan.quantize(params, mulan.embed_text(params, words))

        self._hear, self._read = hear, read

    def hear(
        self, audio: Float[np.ndarray, "b n"]
    ) -> tuple[Int16[np.ndarray, "b f q"], Int16[np.ndarray, "b a k"]]:
        """Returns the tokens of clips and the codes of their windows."""
        tokens, codes = jax.device_get(self._hear(self._params, audio))
        return tokens.astype(np.int16), codes.astype(np.int16)

    def read(self, texts: Sequence[str]) -> Int16[np.ndarray, "t k"]:
        """Returns the codes of texts, in their order."""
        if not texts:
            return np.zeros((0, self._codes), np.int16)
        words = self._words.encode(texts)
        words = np.pad(words, ((0, -len(texts) % _CAPTIONS), (0, 0)), mode="edge")
        parts = [
            np.asarray(self._read(self._params["mulan"], part), np.int16)
            for part in words.reshape(-1, _CAPTIONS, words.shape[1])
        ]
        return np.concatenate(parts)[: len(texts)]
