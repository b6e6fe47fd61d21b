"""O3: with the KL in the return, ascent reaches pi0(clip) exp((1 - a) R / a) / Z."""

import pytest

from musicrl_jax.learning import config as configs
from tests.oracles import exact, tabular


@pytest.mark.parametrize(
    ("sizes", "frames", "seed", "mode"),
    [((3, 2), 1, 3, "return"), ((2,), 3, 33, "return"), ((2,), 3, 33, "local")],
)
def test_ascent_reaches_the_optimum_of_its_mode_and_not_the_other(
    float64, sizes, frames, seed, mode
):
    problem = exact.Problem(
        tree=tabular.make_tree(sizes, frames),
        seed=seed,
        config=configs.LearnerConfig(kl_weight=0.4, kl_mode=mode, chunk_frames=1),
    )
    reference = problem.reference()
    local = exact.local_fixed_point(problem, reference)
    sequence = exact.sequence_optimum(problem, reference)
    mine, other = (local, sequence) if mode == "local" else (sequence, local)
    reached = problem.clip_probs(exact.ascend(problem, reference, 1.0, 4000))
    assert exact.total_variation(local, sequence) > 0.1
    assert exact.total_variation(reached, mine) < 1e-5
    assert exact.total_variation(reached, other) > 0.1
