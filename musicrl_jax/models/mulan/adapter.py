"""A trained pair of towers as `core.protocols.JointEmbedder`."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import arrays, errors
from musicrl_jax.models.mulan import config as mulan_config
from musicrl_jax.models.mulan import network
from musicrl_jax.nn import clustering, normalization


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mulan:
    """Embeds audio and captions, and turns either into conditioning tokens.

    Its parameters are `{"network", "audio_mean", "text_mean", "codebooks"}`. Text and
    audio of contrastive towers lie in two narrow cones apart from one another; each
    modality's mean is subtracted before the length is made 1 again, so that codebooks
    and scores treat both alike.
    """

    config: mulan_config.MulanConfig

    def embed_audio(
        self, params: arrays.Params, waveform: Float[Array, "b n"]
    ) -> Float[Array, "b e"]:
        """Returns unit vectors of clips of `min_seconds` or more.

        Raises:
          InputError: where the clips are shorter.
        """
        if waveform.shape[-1] < self.config.min_samples:
            raise errors.InputError(
                f"MuLan embeds clips of {self.config.min_samples} samples or more; got "
                f"{waveform.shape[-1]}. Use longer clips."
            )
        return self.embed_mel(params, spectrogram.log_mel(waveform, self.config.mel))

    def embed_mel(
        self, params: arrays.Params, mel: Float[Array, "b frames m"]
    ) -> Float[Array, "b e"]:
        """Returns `embed_audio` of clips whose log-mel spectrogram is at hand."""
        return _centred(self._bound(params).embed_audio(mel), params["audio_mean"])

    def embed_text(
        self, params: arrays.Params, text: Int[Array, "b w"]
    ) -> Float[Array, "b e"]:
        """Returns unit vectors of captions, tokenised and padded with 0."""
        return _centred(self._bound(params).embed_text(text), params["text_mean"])

    def quantize(
        self, params: arrays.Params, embedding: Float[Array, "b e"]
    ) -> Int[Array, "b k"]:
        """Returns the conditioning tokens of an embedding, text's or audio's."""
        return clustering.residual_codes(embedding, params["codebooks"])

    def abstract_params(self) -> arrays.Tree:
        """Returns the shapes of the parameters, for reading them from a file."""
        return jax.eval_shape(self.init_params, jax.random.key(0))

    def text_params(self, params: arrays.Params) -> arrays.Params:
        """Returns the parameters that captions need: those without the audio tower."""
        network = {name: params["network"][name] for name in ("text", "log_scale")}
        rest = {name: params[name] for name in ("text_mean", "codebooks")}
        return {"network": network, **rest}

    def init_params(self, key: Key[Array, ""]) -> dict[str, Any]:
        """Returns untrained parameters: random towers, no shift, empty codebooks."""
        sizes = self.config
        return {
            "network": network.init_params(sizes, key),
            "audio_mean": jnp.zeros(sizes.embedding),
            "text_mean": jnp.zeros(sizes.embedding),
            "codebooks": jnp.zeros(
                (sizes.conditioning_tokens, sizes.codebook_size, sizes.embedding)
            ),
        }

    def finish(
        self,
        key: Key[Array, ""],
        towers: arrays.Params,
        audio: Float[Array, "n e"],
        text: Float[Array, "captions e"],
    ) -> dict[str, Any]:
        """Returns the parameters of trained `towers`: means and codebooks fitted.

        Args:
          key: seeds the clusters.
          towers: parameters of `DualEncoder`.
          audio: unit vectors of the towers (not centred) for training clips.
          text: the same for training captions.
        """
        means = {"audio_mean": jnp.mean(audio, axis=0), "text_mean": jnp.mean(text, 0)}
        # As many points of either kind, so that neither owns the codebooks.
        count = min(audio.shape[0], text.shape[0])
        both = jnp.concatenate(
            [
                _centred(_draw(key, audio, count), means["audio_mean"]),
                _centred(_draw(key, text, count), means["text_mean"]),
            ]
        )
        codebooks = clustering.fit_residual(
            key, both, self.config.conditioning_tokens, self.config.codebook_size
        )
        return {"network": towers, **means, "codebooks": codebooks}

    def _bound(self, params: arrays.Params) -> network.DualEncoder:
        towers = network.DualEncoder(config=self.config)
        return towers.bind({"params": params["network"]})


def make_mulan(config: mulan_config.MulanConfig) -> Mulan:
    """Returns the joint embedder of these sizes."""
    return Mulan(config=config)


def _draw(
    key: Key[Array, ""], rows: Float[Array, "n e"], count: int
) -> Float[Array, "c e"]:
    return jax.random.permutation(key, rows)[:count]


def _centred(
    vectors: Float[Array, "b e"], mean: Float[Array, " e"]
) -> Float[Array, "b e"]:
    return normalization.unit(vectors - mean[None, :])
