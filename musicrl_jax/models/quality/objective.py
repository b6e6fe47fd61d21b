"""How the estimator is trained (satisfies `pretraining.objective`)."""

import dataclasses
from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from musicrl_jax.core import arrays, errors
from musicrl_jax.models.quality import config as quality_config
from musicrl_jax.models.quality import losses, network


@dataclasses.dataclass(frozen=True, kw_only=True)
class QualityObjective:
    """Batches of `data.rated_mels`: `mel`, `scores` and `raters` (-1 for nobody).

    The loss is over single scores and not over each clip's mean: a clip then counts as
    much as it has raters, and the raters' biases can be told from the clips' quality
    where not everybody has heard everything.

    Attributes:
      config: the network's sizes.
      raters: people (or programs) in the training data.
      rater_bias: whether each rater has a bias of its own; they sum to 0.
      bias_penalty: weight of the biases' mean square, which keeps the bias of a rater
        with few scores small.
    """

    config: quality_config.QualityConfig
    raters: int
    rater_bias: bool = True
    bias_penalty: float = 0.05

    def __post_init__(self) -> None:
        if self.raters < 1 or self.bias_penalty < 0:
            raise errors.InputError(
                "QualityObjective needs raters and a bias_penalty of 0 or more; got "
                f"{self.raters}, {self.bias_penalty}."
            )

    def init(self, key: Key[Array, ""]) -> tuple[arrays.Params, arrays.Params]:
        """Returns fresh parameters of network and raters; no statistics."""
        params = {
            "network": network.init_params(self.config, key),
            "rater_bias": jnp.zeros((self.raters,)),
        }
        return params, {}

    def loss(
        self,
        params: arrays.Params,
        statistics: arrays.Params,
        batch: Mapping[str, Array],
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], tuple[arrays.Params, dict[str, Float[Array, ""]]]]:
        """Returns the mean squared error of single scores, in points squared."""
        mel = batch["mel"].astype(jnp.float32)
        opinion = network.opinion(self.config, params["network"], mel, key)
        bias = self.biases(params)
        scores, raters = batch["scores"], batch["raters"]
        error = losses.rater_error(opinion, scores, raters, bias)
        total = error + self.bias_penalty * jnp.mean(jnp.square(bias))
        metrics = {
            "score/mse": error,
            "score/predicted_mean": jnp.mean(opinion),
            "score/rater_bias_deviation": jnp.std(bias),
            "simulated": jnp.asarray(float(self.config.simulated_raters)),
        }
        return total, (statistics, metrics)

    def biases(self, params: arrays.Params) -> Float[Array, " raters"]:
        """Returns how much milder each rater is than the mean of all, in points."""
        bias = params["rater_bias"].astype(jnp.float32)
        return (bias - jnp.mean(bias)) * float(self.rater_bias)


def export_params(params: arrays.Params) -> arrays.Params:
    """Returns what the estimator needs of a training state: the network alone."""
    return params["network"]
