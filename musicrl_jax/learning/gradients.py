"""The gradient of the policy loss, without ever holding all logits.

The policy's trunk runs once over all frames; logits, reference logits, loss and the
gradient with respect to both head and states are then computed piece by piece, last
frames first (so that the KL still to come is known), and the trunk's backward pass
follows. One scan does forward and backward, so nothing is computed twice.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from musicrl_jax.core import arrays, protocols, trajectory
from musicrl_jax.core.struct import struct
from musicrl_jax.learning import chunks, losses, returns
from musicrl_jax.learning import config as configs


@struct
class CreditedTerms:
    """Per-token results of the pass, for the value's targets and the metrics.

    Attributes:
      policy: log-probabilities, KL and entropy.
      weights: truncated importance weights.
      returns: what the baseline is held against.
    """

    policy: losses.TokenTerms
    weights: Float[Array, "b f q"]
    returns: Float[Array, "b f q"]


@struct
class Frames:
    """What the pass cuts along axis f; `present` is 0 where a piece is filled up."""

    states: Float[Array, "b f d"]
    reference_states: Float[Array, "b f d"]
    tokens: Int[Array, "b f q"]
    behaviour: Float[Array, "b f q"]
    baseline: Float[Array, "b f q"]
    present: Float[Array, "b f"]


Carry = tuple[arrays.Params, Float[Array, " b"]]
Piece = tuple[CreditedTerms, Float[Array, "b f d"]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PolicyGradient:
    """The gradient of the policy loss, for one network and one set of numbers."""

    policy: protocols.Policy
    config: configs.LearnerConfig

    def __call__(
        self,
        params: arrays.Params,
        reference: arrays.Params,
        batch: trajectory.TrajectoryBatch,
        baseline: Float[Array, "b f q"],
    ) -> tuple[arrays.Params, CreditedTerms]:
        """Returns the gradient of the mean over clips of -J (section 3.2).

        Args:
          params: the policy's parameters, those that the gradient is for.
          reference: the parameters that the KL is measured against.
          batch: clips with behaviour log-probabilities and rewards.
          baseline: V(s_t), or any number that does not depend on token t or later.
        """
        clip = (batch.tokens, batch.conditioning)
        states, pull_states = jax.vjp(
            lambda tree: self.policy.frame_states(tree, *clip), params
        )
        frames = Frames(
            states=states,
            reference_states=self.policy.frame_states(reference, *clip),
            tokens=batch.tokens,
            behaviour=batch.log_probs,
            baseline=baseline,
            present=jnp.ones(batch.tokens.shape[:2], batch.log_probs.dtype),
        )
        gradient = jax.value_and_grad(self._loss, argnums=(0, 1), has_aux=True)

        def add_piece(carry: Carry, piece: Frames) -> tuple[Carry, Piece]:
            total, kl_after = carry
            (_, terms), (head, pulled) = gradient(
                params, piece.states, reference, piece, (batch.rewards, kl_after)
            )
            kl_after = kl_after + jnp.sum(terms.policy.kl, axis=(1, 2))
            return (jax.tree.map(jnp.add, total, head), kl_after), (terms, pulled)

        start = jax.tree.map(jnp.zeros_like, (params, batch.rewards))
        pieces = chunks.cut(frames, self.config.chunk_frames)
        (head, _), done = jax.lax.scan(add_piece, start, pieces, reverse=True)
        terms, pulled = chunks.join(done, batch.tokens.shape[1])
        (trunk,) = pull_states(pulled)
        return jax.tree.map(jnp.add, trunk, head), terms

    def _loss(
        self,
        params: arrays.Params,
        states: Float[Array, "b f d"],
        reference: arrays.Params,
        frames: Frames,
        credit: tuple[Float[Array, " b"], Float[Array, " b"]],
    ) -> tuple[Float[Array, ""], CreditedTerms]:
        """Returns the loss of some frames; `credit` is (rewards, KL behind them)."""
        terms = losses.token_terms(
            self.policy.token_logits(params, states, frames.tokens),
            self.policy.token_logits(reference, frames.reference_states, frames.tokens),
            frames.tokens,
            self.config.temperature,
        )
        terms = jax.tree.map(lambda x: x * frames.present[..., None], terms)
        rewards, kl_after = credit
        behind = jnp.zeros_like(terms.kl)
        if self.config.kl_mode == "return":
            behind = returns.kl_to_come(jax.lax.stop_gradient(terms.kl), kl_after)
        credited = CreditedTerms(
            policy=terms,
            weights=losses.importance_weights(
                terms.log_probs, frames.behaviour, self.config.importance_cap
            ),
            returns=returns.returns_to_go(rewards, behind, self.config.kl_weight),
        )
        per_clip = losses.policy_loss(
            terms,
            credited.weights,
            credited.returns - frames.baseline,
            self.config.kl_weight,
        )
        return jnp.mean(per_clip), credited
