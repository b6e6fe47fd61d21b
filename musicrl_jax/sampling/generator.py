"""Captions to music: text ids, MuLan tokens, clip tokens, waveform."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.core import arrays, errors, protocols, trajectory
from musicrl_jax.sampling import loop, renderer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Networks:
    """Parameters of the networks that `Generator` runs; `fine` where it has one."""

    policy: arrays.Params
    embedder: arrays.Params
    codec: arrays.Params
    fine: arrays.Params | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generator:
    """Runs the whole chain; holds no parameters.

    Attributes:
      policy: conditioning tokens to clip tokens.
      embedder: MuLan, with the quantiser of conditioning tokens.
      codec: clip tokens to waveform.
      encode: captions to fixed-width text ids, 0 for padding.
      temperature: T of sampling.
      fine: the codec's coarse levels to all of them; None for a codec without more.
    """

    policy: protocols.Policy
    embedder: protocols.JointEmbedder
    codec: protocols.Codec
    encode: Callable[[list[str]], Int[np.ndarray, "b w"]]
    temperature: float = 0.99
    fine: protocols.FineStage | None = None

    def condition(
        self, params: arrays.Params, captions: Sequence[str]
    ) -> Int[Array, "b k"]:
        """Returns the conditioning tokens of captions.

        Raises:
          InputError: where a caption is empty.
        """
        if not captions or not all(text.strip() for text in captions):
            raise errors.InputError(
                f"Captions must have text; got {list(captions)!r}. Describe the music."
            )
        ids = jax.numpy.asarray(self.encode(list(captions)))
        return self.embedder.quantize(params, self.embedder.embed_text(params, ids))

    def __call__(
        self,
        networks: Networks,
        captions: Sequence[str],
        keys: Key[Array, " b"],
        seconds: float,
    ) -> tuple[trajectory.Generation, Float[np.ndarray, "b n"]]:
        """Returns tokens and waveform of one clip of `seconds` for each caption.

        Raises:
          InputError: where a caption is empty or the clips would have no frame.
        """
        frames = self.policy.layout.num_frames(seconds)
        if frames < 1:
            raise errors.InputError(
                f"seconds must be at least one frame, "
                f"{1 / self.policy.layout.frame_rate_hz}; got {seconds}."
            )
        conditioning = self.condition(networks.embedder, captions)
        clips = loop.sample(
            self.policy, networks.policy, conditioning, keys, frames, self.temperature
        )
        render = renderer.Renderer(
            layout=self.policy.layout, codec=self.codec, fine=self.fine
        )
        audio = render(networks.codec, clips.tokens, networks.fine)
        return clips, np.asarray(audio)
