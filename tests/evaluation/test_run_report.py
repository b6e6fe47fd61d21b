"""What the report's notes say of runs whose scores have gaps."""

import numpy as np

from musicrl_jax.evaluation import history, run_charts, run_report


def curves(quality, other=None, total=range(4)):
    facts = history.Facts(
        kl_ref="base", trained={"loudness": 1.0}, held_out=["quality", "other"],
        smoothing=1,
    )  # fmt: skip
    rewards = {"total": total, "quality": quality}
    rewards |= {} if other is None else {"other": other}
    evaluations = [
        history.Evaluation(
            step=step,
            digest="",
            row={"kl/sequence": float(step)},
            rewards={name: np.array(x, float) for name, x in rewards.items()},
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
    assert note == (
        "r: Prompts for which quality has a score that is not finite: 2 of 4; "
        "over-optimisation was looked for in the others."
    )


def test_a_reward_that_is_left_out_is_named_and_others_are_looked_at():
    (note,) = run_report.notes([curves([1.0, 2.0, 3.0, 4.0], [np.nan] * 4)])
    assert "other has a score that is not finite: 4 of 4" in note
    assert note.endswith("over-optimisation was not looked for in it.")


def test_nothing_to_look_for_is_said_with_its_reason():
    for found in (curves([np.nan] * 4), curves([1.0] * 4, total=[np.nan] * 4)):
        note, why = run_report.notes([found])
        assert "4 of 4; over-optimisation was not looked for in it" in note
        assert why.startswith("r: Over-optimisation was not looked for: no watched")
    (why,) = run_report.notes([curves([1.0], total=[1.0])])
    assert "half of the prompts, and 2 or more" in why
