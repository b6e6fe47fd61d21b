"""Tunes clusters so that the bags of tokens of two parts of a clip tell their clip.

k-means spends its clusters on what varies most from frame to frame. What a clip is,
its key, tempo and instruments, is what its parts share; so encoder and centroids are
tuned together for a while: each crop is cut in two, and the token histogram of the
first half must find that of the second among a batch of clips. Masked prediction goes
on beside it. w2v-BERT (2108.06209), MusicLM's tokenizer, learns its codes by a
contrastive loss too; the soft assignments and their balance follow SwAV (2006.09882).
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from musicrl_jax.core import arrays, errors
from musicrl_jax.models.semantic import adapter, objective
from musicrl_jax.models.semantic import config as semantic_config

_FLOOR = 1e-4
"""Added to shares of tokens, so that the slope of their square root is finite."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BagConfig:
    """How clusters are tuned; no update leaves them as k-means made them.

    Attributes:
      steps: updates.
      learning_rate_share: its peak, as a share of that of masked prediction.
      batch_size: clips that are told apart; all of a corpus that has fewer.
      crop_frames: tokens of a crop, two halves of it.
      temperature: of the soft assignment, which is by cosine.
      masked: weight of masked prediction.
      balance: weight of the entropy of all tokens, in nats.
    """

    steps: int = 0
    learning_rate_share: float = 0.5
    batch_size: int = 32
    crop_frames: int = 200
    temperature: float = 0.05
    masked: float = 0.3
    balance: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 0 or self.batch_size < 2 or self.crop_frames < 2:
            raise errors.InputError(
                "BagConfig needs steps of 0 or more, and a batch_size and crop_frames "
                f"of 2 or more; got {self.steps}, {self.batch_size} and "
                f"{self.crop_frames}."
            )
        if min(self.temperature, self.learning_rate_share) <= 0:
            raise errors.InputError(
                "BagConfig needs a positive temperature and learning_rate_share; got "
                f"{self.temperature} and {self.learning_rate_share}."
            )
        if min(self.masked, self.balance) < 0:
            raise errors.InputError(
                "BagConfig needs weights that are not negative; got "
                f"masked={self.masked} and balance={self.balance}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class BagObjective:
    """Batches `{"mel": [b, frames, m]}` of log-mel crops (`pretraining.objective`).

    Parameters are `{"network", "centroids", "log_scale"}`.
    """

    config: semantic_config.SemanticConfig
    bags: BagConfig

    @property
    def couples_examples(self) -> bool:
        """Clips are told from the others of a batch."""
        return True

    @property
    def _masked(self) -> objective.SemanticObjective:
        return objective.SemanticObjective(config=self.config)

    def init(self, key: Key[Array, ""]) -> tuple[arrays.Params, arrays.Params]:
        """Returns a fresh encoder and clusters, and the targets of masked prediction.

        A run begins with trained ones (`runs.pretrain_semantic`).
        """
        for_network, for_centroids = jax.random.split(key)
        network, targets = self._masked.init(for_network)
        sizes = self.config.clusters, self.config.width
        return {
            "network": network,
            "centroids": jax.random.normal(for_centroids, sizes),
            "log_scale": jnp.log(10.0),
        }, targets

    def loss(
        self,
        params: arrays.Params,
        statistics: arrays.Params,
        batch: Mapping[str, Array],
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], tuple[arrays.Params, dict[str, Float[Array, ""]]]]:
        """Returns the weighted sum, in nats, and its parts."""
        tokenizer = adapter.make_semantic(self.config)
        mel = batch["mel"].astype(jnp.float32)
        features = tokenizer.features(params["network"], mel)
        shares = assignments(features, params["centroids"], self.bags.temperature)
        contrast, right = bag_contrast(shares, params["log_scale"])
        spread = entropy(shares)
        masked, (statistics, metrics) = self._masked.loss(
            params["network"], statistics, batch, key
        )
        loss = contrast + self.bags.masked * masked - self.bags.balance * spread
        return loss, (
            statistics,
            {
                "loss/bags": contrast,
                "loss/masked": masked,
                "bags/found": right,
                "tokens/perplexity": jnp.exp(spread),
                "masked/accuracy": metrics["accuracy"],
            },
        )


def unit(vectors: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
    """Returns the vectors at length 1."""
    return vectors / jnp.linalg.norm(vectors, axis=-1, keepdims=True)


def assignments(
    features: Float[Array, "b f d"], centroids: Float[Array, "c d"], temperature: float
) -> Float[Array, "b f c"]:
    """Returns each frame's shares of the clusters: a softmax of cosines."""
    cosines = jnp.einsum("bfd,cd->bfc", unit(features), unit(centroids))
    return jax.nn.softmax(cosines / temperature, axis=-1)


def entropy(shares: Float[Array, "b f c"]) -> Float[Array, ""]:
    """Returns the entropy in nats of the tokens of a whole batch."""
    mean = jnp.mean(shares, axis=(0, 1))
    return -jnp.sum(mean * jnp.log(mean + 1e-9))


def bag_contrast(
    shares: Float[Array, "b f c"], log_scale: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Returns how well halves of clips find each other among those of a batch.

    A bag is the square root of the mean shares of a half's frames (Hellinger), less the
    mean bag of the batch, at length 1. The loss is the symmetric cross-entropy in nats
    of each half's partner under the cosines times `exp(log_scale)`, at most 100.

    Returns:
      The loss, and the share of first halves whose partner is the nearest.
    """
    half = shares.shape[1] // 2
    first, second = (
        _bags(part) for part in (shares[:, :half], shares[:, half : 2 * half])
    )
    logits = jnp.exp(jnp.minimum(log_scale, jnp.log(100.0))) * (first @ second.T)
    rows = jnp.arange(logits.shape[0])
    cross_entropy = optax.softmax_cross_entropy_with_integer_labels
    loss = 0.5 * jnp.mean(cross_entropy(logits, rows) + cross_entropy(logits.T, rows))
    return loss, jnp.mean(jnp.argmax(logits, axis=1) == rows)


def _bags(shares: Float[Array, "b f c"]) -> Float[Array, "b c"]:
    roots = jnp.sqrt(jnp.mean(shares, axis=1) + _FLOOR)
    return unit(roots - jnp.mean(roots, axis=0, keepdims=True))


def tuned(
    params: arrays.Params, sizes: semantic_config.SemanticConfig
) -> dict[str, arrays.Params]:
    """Returns the tokenizer's parameters: centroids all of the features' length.

    Features have `width` values of variance 1, so that the nearest of these centroids
    is the one of the greatest cosine.
    """
    centroids = unit(params["centroids"]) * sizes.width**0.5
    return {"network": params["network"], "centroids": centroids}
