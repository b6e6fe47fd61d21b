"""The rule by which a policy is chosen, on tables that a person can check."""

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.evaluation import history, over_optimisation, policy_choice

FACTS = history.Facts(
    kl_ref="base", trained={"loudness": 1.0}, held_out=["quality", "adherence"]
)
KL = [0.0, 3.0, 6.0, 9.0, 30.0]
QUALITY = [3.0, 3.4, 3.8, 3.2, 4.9]
ADHERENCE = [0.1, 0.5, 0.3, 0.3, 0.9]


def evaluations(**rewards):
    rewards = {"quality": QUALITY, "adherence": ADHERENCE} | rewards
    return [
        history.Evaluation(
            step=10 * i,
            digest="",
            row={"kl/sequence": KL[i], "reward/total": float(i)}
            | {f"reward/{name}": x[i] for name, x in rewards.items()}
            | {f"reward/{name}/se": 0.1 for name in rewards},
            rewards={},
        )
        for i in range(len(KL))
    ]


def choose(found=None, budget=10.0, score="", flag=None, facts=FACTS):
    rule = policy_choice.Rule(kl_budget=budget, score=score)
    found = evaluations() if found is None else found
    return policy_choice.choose(found, facts, rule, flag)


def flag_at(step):
    return over_optimisation.Flag(
        name="quality", step=step, seen_at=step + 10, fall=-1.0,
        fall_standard_errors=-5.0, rise=1.0, rise_standard_errors=5.0,
    )  # fmt: skip


def test_a_named_score_is_taken_within_the_budget():
    choice = choose(score="quality")
    assert (choice.chosen.step, choice.chosen.score) == (20, 3.8)
    assert choice.runner_up.step == 10
    assert "quality (3.8) among 4 of 5 measured steps" in choice.reason
    assert "10 nats of base" in choice.reason
    assert choose(score="quality", budget=100.0).chosen.step == 40


def test_the_default_is_the_mean_of_standardised_held_out_rewards():
    standard = [(np.array(x) - np.mean(x)) / np.std(x) for x in (QUALITY, ADHERENCE)]
    expected = np.mean(standard, axis=0)
    choice = choose()
    assert choice.chosen.step == 10 * int(np.argmax(expected[:4]))
    assert choice.chosen.score == pytest.approx(expected[:4].max())
    # Another unit of one reward changes nothing.
    scaled = evaluations(quality=[100 * x - 7 for x in QUALITY])
    assert choose(scaled).chosen == pytest.approx(choice.chosen, abs=1e-9) or (
        choose(scaled).chosen.score == pytest.approx(choice.chosen.score)
    )


def test_steps_after_the_turn_are_left_out():
    choice = choose(score="quality", budget=100.0, flag=flag_at(10))
    assert choice.chosen.step == 10
    assert "not after step 10, where quality turns" in choice.reason


def test_among_equals_the_nearest_to_the_reference_is_taken():
    assert choose(evaluations(quality=[1.0] * 5), score="quality").chosen.kl == 0.0


def test_without_held_out_rewards_the_trained_one_counts():
    facts = history.Facts(kl_ref="base", trained={"loudness": 1.0}, held_out=[])
    choice = choose(facts=facts)
    assert (choice.score_name, choice.chosen.step) == ("total", 30)


def test_one_candidate_has_no_runner_up():
    assert choose(score="quality", budget=1.0).runner_up is None


def test_what_cannot_be_chosen_is_explained():
    with pytest.raises(errors.InputError, match="there are none"):
        choose([])
    with pytest.raises(errors.InputError, match="total, quality, adherence; got 'mos'"):
        choose(score="mos")
    with pytest.raises(
        errors.InputError, match=r"got 0\.5 nats, and the least .* is 3\."
    ):
        choose(evaluations()[1:], budget=0.5)
