"""Masked prediction of random projections (satisfies `pretraining.objective`)."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from musicrl_jax.core import arrays
from musicrl_jax.models.semantic import config as semantic_config
from musicrl_jax.models.semantic import losses, network
from musicrl_jax.nn import convolution


@dataclasses.dataclass(frozen=True, kw_only=True)
class SemanticObjective:
    """Batches `{"mel": [b, frames, m]}` of log-mel crops, each of whole tokens."""

    config: semantic_config.SemanticConfig

    def init(self, key: Key[Array, ""]) -> tuple[arrays.Params, arrays.Params]:
        """Returns a fresh encoder, and the targets' fixed random projections."""
        for_network, for_targets = jax.random.split(key)
        targets = network.init_targets(self.config, for_targets)
        return network.init_params(self.config, for_network), targets

    def loss(
        self,
        params: arrays.Params,
        statistics: arrays.Params,
        batch: Mapping[str, Array],
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], tuple[arrays.Params, dict[str, Float[Array, ""]]]]:
        """Returns the cross-entropy of the hidden tokens' targets, in nats."""
        mel = batch["mel"].astype(jnp.float32)
        sizes = self.config
        merged = convolution.merge_frames(
            (mel - sizes.mel_mean) / sizes.mel_deviation, sizes.frames_per_token
        )
        batch_size, frames, _ = merged.shape
        mask = losses.span_mask(
            key, batch_size, frames, sizes.mask_share, sizes.mask_frames
        )
        encoder = network.SemanticEncoder(config=sizes).bind({"params": params})
        logits = encoder(mel, mask)
        targets = losses.projection_targets(
            merged, statistics["projections"], statistics["codebooks"]
        )
        loss, metrics = losses.masked_prediction_loss(logits, targets, mask)
        return loss, (statistics, metrics)
