"""The networks that turn sound into tokens, together."""

import dataclasses
import pathlib

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from musicrl_jax.core import arrays, errors, layout, protocols
from musicrl_jax.runs import codecs, pretrain_mulan, pretrain_semantic


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tokenizers:
    """What turns sound into tokens; the parameters come in as one tree.

    Attributes:
      codec: coarse acoustic tokens.
      semantic: semantic tokens, as many a second.
      mulan: conditioning tokens.
      layout: how both make up a frame.
    """

    codec: protocols.Codec
    semantic: protocols.SemanticTokenizer
    mulan: protocols.JointEmbedder
    layout: layout.TokenLayout

    def clip_tokens(
        self, params: arrays.Params, waveform: Float[Array, "b n"]
    ) -> Int[Array, "b f q"]:
        """Returns the tokens of clips."""
        semantic = self.semantic.tokenize(params["semantic"], waveform)
        coarse = self.codec.encode(params["codec"], waveform)
        # The levels above are SoundStorm's.
        coarse = coarse[..., : self.layout.streams[1].levels]
        return self.layout.interleave(
            {"semantic": semantic[:, :, None], "coarse": coarse}
        )

    def window_codes(
        self,
        params: arrays.Params,
        waveform: Float[Array, "b n"],
        starts: tuple[int, ...],
        samples: int,
    ) -> Int[Array, "b a k"]:
        """Returns the conditioning tokens of windows that start at samples `starts`."""
        cut = jnp.stack([waveform[:, i : i + samples] for i in starts], axis=1)
        embedded = self.mulan.embed_audio(params["mulan"], cut.reshape(-1, samples))
        codes = self.mulan.quantize(params["mulan"], embedded)
        return codes.reshape(waveform.shape[0], len(starts), -1)


def load(
    folder: pathlib.Path, coarse_levels: int = 0
) -> tuple[Tokenizers, arrays.Params]:
    """Returns the tokenizers of a folder of weights, and their parameters.

    Args:
      folder: of the weights.
      coarse_levels: the codec's first levels that are coarse; 0 for all.

    Raises:
      InputError: where a file is missing or damaged, codec and semantic tokenizer have
        different frames, or the codec has fewer levels.
    """
    codec, codec_params = codecs.load(folder / "codec.safetensors")
    semantic, semantic_params = pretrain_semantic.load(folder / "semantic.safetensors")
    mulan, mulan_params, _ = pretrain_mulan.load(folder / "mulan.safetensors")
    frames = (semantic.config.sample_rate_hz, semantic.config.hop)
    if frames != (codec.sample_rate_hz, codec.samples_per_frame):
        raise errors.InputError(
            f"{folder} needs codec and semantic tokens at one rate; they have "
            f"{codec.samples_per_frame} and {semantic.config.hop} samples a frame. "
            "Train one of them again."
        )
    if not 0 <= coarse_levels <= codec.config.levels:
        raise errors.InputError(
            f"Coarse levels must be among the codec's {codec.config.levels} in "
            f"{folder}; got {coarse_levels}. Set fewer, or 0 for all."
        )
    streams = (
        layout.Stream(name="semantic", codebook_size=semantic.config.clusters),
        layout.Stream(
            name="coarse",
            codebook_size=codec.config.codebook_size,
            levels=coarse_levels or codec.config.levels,
        ),
    )
    rate = codec.sample_rate_hz / codec.samples_per_frame
    tokenizers = Tokenizers(
        codec=codec,
        semantic=semantic,
        mulan=mulan,
        layout=layout.TokenLayout(streams=streams, frame_rate_hz=rate),
    )
    params = {"codec": codec_params, "semantic": semantic_params, "mulan": mulan_params}
    return tokenizers, params
