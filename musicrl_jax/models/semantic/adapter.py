"""A trained encoder with clusters as `core.protocols.SemanticTokenizer`."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import arrays
from musicrl_jax.models.semantic import config as semantic_config
from musicrl_jax.models.semantic import network
from musicrl_jax.nn import clustering


@dataclasses.dataclass(frozen=True, kw_only=True)
class Semantic:
    """Tokenises waveforms. Its parameters are `{"network", "centroids"}`."""

    config: semantic_config.SemanticConfig

    def tokenize(
        self, params: arrays.Params, waveform: Float[Array, "b n"]
    ) -> Int[Array, "b f"]:
        """Returns the k-means cluster of each of the `n // hop` frames."""
        return self.tokenize_mel(params, spectrogram.log_mel(waveform, self.config.mel))

    def tokenize_mel(
        self, params: arrays.Params, mel: Float[Array, "b frames m"]
    ) -> Int[Array, "b f"]:
        """Returns `tokenize` of clips whose log-mel spectrogram is at hand."""
        features = self.features(params["network"], mel)
        return clustering.nearest(features, params["centroids"]).astype(jnp.int32)

    def features(
        self, encoder: arrays.Params, mel: Float[Array, "b frames m"]
    ) -> Float[Array, "b f d"]:
        """Returns the features that are clustered."""
        module = network.SemanticEncoder(config=self.config)
        return module.bind({"params": encoder}).features(mel)

    def abstract_params(self) -> arrays.Tree:
        """Returns the shapes of the parameters, for reading them from a file."""
        return jax.eval_shape(self.init_params, jax.random.key(0))

    def init_params(self, key: Key[Array, ""]) -> dict[str, Any]:
        """Returns untrained parameters: a random encoder, empty clusters."""
        return {
            "network": network.init_params(self.config, key),
            "centroids": jnp.zeros((self.config.clusters, self.config.width)),
        }


def make_semantic(config: semantic_config.SemanticConfig) -> Semantic:
    """Returns the tokenizer of these sizes."""
    return Semantic(config=config)
