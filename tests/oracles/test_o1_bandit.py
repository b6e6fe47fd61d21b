"""O1: exact gradient ascent on a bandit reaches the closed-form optimum."""

import numpy as np
import pytest

from musicrl_jax.learning import config as configs
from tests.oracles import exact, tabular


@pytest.mark.parametrize(
    ("mode", "alpha", "spread"), [("local", 0.3, 1.0), ("return", 0.6, 2.0)]
)
def test_ascent_reaches_the_tilted_reference(float64, mode, alpha, spread):
    problem = exact.Problem(
        tree=tabular.make_tree((5,), 1),
        config=configs.LearnerConfig(kl_weight=alpha, kl_mode=mode),
        spread=spread,
    )
    reference = problem.reference()
    reached = problem.clip_probs(exact.ascend(problem, reference, 1.0, 4000))
    expected = exact.sequence_optimum(problem, reference)
    np.testing.assert_allclose(reached, expected, atol=1e-14)
    assert exact.total_variation(expected, problem.clip_probs(reference)) > 0.1
