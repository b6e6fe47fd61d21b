"""O2: sampled REINFORCE with a learned V reaches the backward-induction fixed point.

The whole production update runs here: sampling at T, importance weights, chunks, both
optimizers, on batches drawn from the current policy.
"""

import jax
import jax.numpy as jnp
import pytest

from musicrl_jax.core import trajectory
from musicrl_jax.learning import config as configs
from musicrl_jax.learning import state as states
from musicrl_jax.learning import update as updates
from tests.oracles import exact, tabular

CLIPS = 256


def train(problem):
    """Runs the production update on fresh samples; returns the clips' distribution."""
    value = tabular.TabularValue(tree=problem.tree)
    reference = problem.reference()
    update = updates.Update(policy=problem.policy, value=value, config=problem.config)
    state = states.initial_state(reference, value.init(), problem.config)
    batch = problem.batch()

    def step(state, key):
        log_clips = problem.clip_log_probs(state.policy) - jnp.log(
            float(problem.tree.contexts)
        )
        drawn = jax.random.categorical(key, log_clips, shape=(CLIPS,))
        sampled = trajectory.TrajectoryBatch(
            tokens=batch.tokens[drawn],
            conditioning=batch.conditioning[drawn],
            log_probs=problem.token_log_probs(state.policy)[drawn],
            rewards=batch.rewards[drawn],
        )
        return update(state, sampled)

    keys = jax.random.split(jax.random.key(7), problem.config.steps)
    final, metrics = jax.jit(lambda start: jax.lax.scan(step, start, keys))(state)
    return problem.clip_probs(final.policy), metrics


def make_problem(sizes, frames, seed, spread, mode="local", **numbers):
    """A problem whose learner anneals its step, so that it ends at the fixed point."""
    return exact.Problem(
        tree=tabular.make_tree(sizes, frames),
        seed=seed,
        spread=spread,
        config=configs.LearnerConfig(
            kl_weight=0.4,
            kl_mode=mode,
            steps=600,
            value_warmup_steps=0,
            chunk_frames=2,
            policy_learning_rate=0.03,
            value_learning_rate=0.03,
            learning_rate_end_share=0.0,
            max_grad_norm=10.0,
            **numbers,
        ),
    )


@pytest.mark.parametrize(
    ("sizes", "frames", "seed", "spread", "mode"),
    [
        ((3, 2), 1, 3, 1.0, "local"),
        ((2,), 3, 33, 1.5, "local"),
        ((2,), 3, 33, 1.5, "return"),
    ],
)
def test_sampled_updates_reach_the_fixed_point_of_their_mode(
    sizes, frames, seed, spread, mode
):
    problem = make_problem(sizes, frames, seed, spread, mode)
    reference = problem.reference()
    local = exact.local_fixed_point(problem, reference)
    sequence = exact.sequence_optimum(problem, reference)
    mine, other = (local, sequence) if mode == "local" else (sequence, local)
    reached, metrics = train(problem)
    assert exact.total_variation(reached, mine) < 0.02
    assert exact.total_variation(reached, other) > 0.1
    assert float(metrics["baseline/explained_variance"][-1]) > 0.1
