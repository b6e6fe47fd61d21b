"""How the model is trained (satisfies `pretraining.objective`)."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from musicrl_jax.core import arrays, errors
from musicrl_jax.models.preference import adapter, losses


@dataclasses.dataclass(frozen=True, kw_only=True)
class PreferenceObjective:
    """Batches of `data.preference_batches`, whose pairs are told apart by `number`.

    Attributes:
      model: what is trained.
      seen_share: share of the pairs that each of several heads learns from, drawn once
        for each head and pair; a single head learns from all.
    """

    model: adapter.PreferenceModel
    seen_share: float = 0.7

    def __post_init__(self) -> None:
        if not 0 < self.seen_share <= 1:
            raise errors.InputError(
                f"seen_share must lie in (0, 1]; got {self.seen_share}. "
                "Set PretrainPreferenceConfig.seen_share."
            )

    def init(self, key: Key[Array, ""]) -> tuple[arrays.Params, arrays.Params]:
        """Returns fresh parameters; there are no statistics."""
        return self.model.init(key), {}

    def loss(
        self,
        params: arrays.Params,
        statistics: arrays.Params,
        batch: Mapping[str, Array],
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], tuple[arrays.Params, dict[str, Float[Array, ""]]]]:
        """Returns the mean Bradley-Terry loss of pairs and heads, in nats."""
        clips = jnp.concatenate([batch["preferred"], batch["other"]])
        conditioning = jnp.concatenate([batch["conditioning"]] * 2)
        scores = self.model.head_scores(
            params, clips.astype(jnp.int32), conditioning, key
        )
        preferred, other = jnp.split(scores, 2)
        nats = losses.bradley_terry(preferred, other, batch["share"])
        seen = self.seen(batch["number"]).astype(nats.dtype)
        loss = jnp.mean(nats * seen) / (jnp.mean(seen) + 1e-9)
        margin = jnp.mean(preferred - other, axis=1)
        metrics = {
            "preference/accuracy": jnp.mean((jnp.sign(margin) + 1) / 2),
            "preference/margin": jnp.mean(jnp.abs(margin)),
            "simulated": jnp.asarray(float(self.model.simulated)),
        }
        return loss, (statistics, metrics)

    def seen(self, number: Int[Array, " p"]) -> Bool[Array, "p heads"]:
        """Returns which heads learn from which pairs: a function of the pair alone."""
        heads = self.model.config.heads
        if heads == 1:
            return jnp.ones((len(number), 1), bool)
        root = jax.random.key(0)

        def draw(one: Int[Array, ""]) -> Bool[Array, " heads"]:
            key = jax.random.fold_in(root, one)
            return jax.random.bernoulli(key, self.seen_share, (heads,))

        return jax.vmap(draw)(number)
