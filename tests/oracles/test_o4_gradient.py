"""O4: the expected gradient is the finite difference of the exact objective."""

import jax
import pytest

from musicrl_jax.learning import config as configs
from tests.oracles import exact, tabular


@pytest.mark.parametrize(
    ("mode", "alpha", "frames", "chunk_frames"),
    [
        ("local", 0.0, 2, 2),
        ("local", 0.3, 3, 2),
        ("return", 0.3, 2, 1),
        ("return", 0.3, 3, 2),
    ],
)
def test_gradient_is_the_slope_of_the_objective(
    float64, mode, alpha, frames, chunk_frames
):
    problem = exact.Problem(
        tree=tabular.make_tree((3, 2), frames, 2),
        config=configs.LearnerConfig(
            kl_weight=alpha, kl_mode=mode, temperature=0.99, chunk_frames=chunk_frames
        ),
    )
    reference = problem.reference()
    params = problem.policy.init(jax.random.key(1))
    direction = problem.policy.init(jax.random.key(2))
    any_value = tabular.TabularValue(tree=problem.tree)
    baseline = any_value.values(
        any_value.init(jax.random.key(3)), problem.tokens(), problem.conditioning()
    )
    gradient = exact.expected_gradient(problem, params, reference, baseline)
    expected = exact.slope(problem, params, reference, direction)
    assert abs(expected) > 1e-2
    assert -exact.inner(gradient, direction) == pytest.approx(expected, abs=1e-11)
