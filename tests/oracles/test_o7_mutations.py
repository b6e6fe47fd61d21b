"""O7: a wrong objective misses the exact gradient by far more than O4 tolerates."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from musicrl_jax.learning import config as configs
from musicrl_jax.learning import losses
from tests.oracles import exact, tabular

TOLERANCE = 1e-10
MARGIN = 1e-3


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShiftedPolicy(tabular.TabularPolicy):
    """Scores each frame with the history of the frame after it."""

    def frame_states(self, params, tokens, conditioning):
        states = super().frame_states(params, tokens, conditioning)
        return jnp.roll(states, -1, axis=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeafPolicy(tabular.TabularPolicy):
    """Does not hear the conditioning."""

    def frame_states(self, params, tokens, conditioning):
        return super().frame_states(params, tokens, jnp.zeros_like(conditioning))


def make_problem():
    return exact.Problem(
        tree=tabular.make_tree((3, 2), 2, 2),
        config=configs.LearnerConfig(
            kl_weight=0.3, temperature=0.99, chunk_frames=1, importance_cap=10.0
        ),
    )


def error(problem, **changes):
    """Relative error of the expected gradient against the slope of the objective."""
    reference = problem.reference()
    params = problem.policy.init(jax.random.key(1))
    direction = problem.policy.init(jax.random.key(2))
    expected = exact.slope(problem, params, reference, direction)
    gradient = exact.expected_gradient(problem, params, reference, **changes)
    return abs(-exact.inner(gradient, direction) - expected) / abs(expected)


def leaked_values(problem):
    """A baseline that has seen the token it judges."""
    nodes = problem.tree.nodes(problem.tokens())
    seen = problem.tree.child(nodes, problem.tokens())
    table = jax.random.normal(jax.random.key(3), (problem.tree.num_nodes * 4,))
    return table[seen]


def whitened(problem):
    """The batch with rewards of mean 0 and variance 1."""
    batch = problem.batch(
        problem.token_log_probs(problem.policy.init(jax.random.key(1)))
    )
    rewards = batch.rewards - jnp.mean(batch.rewards)
    return dataclasses.replace(batch, rewards=rewards / (2 * jnp.std(rewards)))


def changed(problem, **numbers):
    """The learner's numbers with some of them wrong."""
    return dataclasses.replace(problem.config, **numbers)


def mean_over_tokens(terms, weights, advantages, kl_weight):
    """Sums the policy term over tokens but averages the KL term."""
    credit = jax.lax.stop_gradient(weights * advantages) * terms.log_probs
    policy = jnp.sum(credit, axis=(1, 2))
    return -(1 - kl_weight) * policy + kl_weight * jnp.mean(terms.kl, axis=(1, 2))


def sampled_k1(terms, weights, advantages, kl_weight):
    """Replaces the exact KL by the sample's log-ratio, whose gradient averages to 0."""
    credit = jax.lax.stop_gradient(weights * advantages) * terms.log_probs
    return jnp.sum(-(1 - kl_weight) * credit + kl_weight * terms.log_probs, axis=(1, 2))


def live_advantage(terms, weights, advantages, kl_weight):
    """Lets the gradient through the importance weight."""
    weights = jnp.exp(terms.log_probs - jax.lax.stop_gradient(terms.log_probs))
    credit = weights * advantages * terms.log_probs
    return jnp.sum(-(1 - kl_weight) * credit + kl_weight * terms.kl, axis=(1, 2))


ARGUMENTS = {
    "temperature 1 for samples at 0.99": lambda p: {
        "config": changed(p, temperature=1.0)
    },
    "history of the next frame": lambda p: {"policy": ShiftedPolicy(tree=p.tree)},
    "leaked value": lambda p: {"baseline": leaked_values(p)},
    "whitened rewards": lambda p: {"batch": whitened(p)},
    "conditioning dropped": lambda p: {"policy": DeafPolicy(tree=p.tree)},
    "KL in the return": lambda p: {"config": changed(p, kl_mode="return")},
}

REPLACEMENTS = {
    "KL flipped": (
        "exact_kl",
        lambda p, r: jnp.sum(jnp.exp(r) * jnp.where(r > -1e29, r - p, 0.0), axis=-1),
    ),
    "KL without its weight": (
        "exact_kl",
        lambda p, r: jnp.sum(jnp.where(r > -1e29, p - r, 0.0), axis=-1),
    ),
    "KL averaged over tokens": ("policy_loss", mean_over_tokens),
    "KL by the k1 estimator": ("policy_loss", sampled_k1),
    "gradient through the weight": ("policy_loss", live_advantage),
}


def test_the_objective_itself_passes(float64):
    assert error(make_problem()) < TOLERANCE


@pytest.mark.parametrize("name", ARGUMENTS)
def test_wrong_inputs_fail(float64, name):
    problem = make_problem()
    assert error(problem, **ARGUMENTS[name](problem)) > MARGIN


@pytest.mark.parametrize("name", REPLACEMENTS)
def test_wrong_losses_fail(float64, monkeypatch, name):
    target, wrong = REPLACEMENTS[name]
    monkeypatch.setattr(losses, target, wrong)
    assert error(make_problem()) > MARGIN
