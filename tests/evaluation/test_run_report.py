"""What the report's notes say of runs whose scores have gaps."""

import numpy as np

from musicrl_jax.evaluation import history, run_charts, run_report


def curves(quality):
    facts = history.Facts(
        kl_ref="base", trained={"loudness": 1.0}, held_out=["quality"], smoothing=1
    )
    evaluations = [
        history.Evaluation(
            step=step,
            digest="",
            row={"kl/sequence": float(step)},
            rewards={"total": np.arange(4.0), "quality": np.array(quality)},
        )
        for step in (0, 10)
    ]
    return run_charts.RunCurves(
        name="r", kl_ref="base", own_reference=False, facts=facts,
        evaluations=evaluations, flag=history.flag(evaluations, facts),
    )  # fmt: skip


def test_prompts_without_finite_scores_are_stated():
    assert run_report.notes([curves([1.0, 2.0, 3.0, 4.0])]) == []
    (note,) = run_report.notes([curves([1.0, np.nan, 3.0, np.inf])])
    assert note.startswith("r: prompts with a score that is not finite: 2;")
    # With none left there is nothing to look for, and nothing fails.
    (note,) = run_report.notes([curves([np.nan] * 4)])
    assert "not finite: 4" in note
