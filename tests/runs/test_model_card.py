"""Curves of the model card."""

from musicrl_jax.runs import model_card


def test_a_curve_tells_mean_losses_at_doubling_steps():
    rows = [{"step": 10 * n, "loss": float(n)} for n in range(1, 9)]
    rows.insert(3, {"step": 30, "held_out/loss": 99.0})
    assert model_card.curve(rows) == "10: 1, 20: 2, 40: 3.5, 80: 6.5"
    assert model_card.curve(rows[:1]) == "10: 1"
    assert model_card.curve([]) == ""
    mel = [{"step": 5, "loss/mel": 2.5, "loss/waveform": 9.0}]
    assert model_card.curve(mel) == "5: 2.5"
