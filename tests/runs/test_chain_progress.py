"""The stage of a chain that is shown beside its progress."""

from musicrl_jax.runs import chain_progress


def test_figures_name_the_stage_that_runs():
    seen = []
    progress = chain_progress.ChainProgress(lambda *shown: seen.append(shown))
    progress.begin(2, 5)
    progress(3, 10, {"loss": 1.5})
    progress(4, 10)
    assert seen == [
        (0, 1, {"stage": 2, "stages": 5}),
        (3, 10, {"stage": 2, "stages": 5, "loss": 1.5}),
        (4, 10, {"stage": 2, "stages": 5}),
    ]
