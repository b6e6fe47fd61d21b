"""The card says where a model comes from and what was not measured."""

from musicrl_jax.export import card

SIZES = {"seconds": 30.0, "sample_rate_hz": 16_000}
ORIGIN = card.Origin(
    name="r",
    step=30,
    kl=10.5,
    kl_ref="base",
    rewards={"simulated_quality": 3.25, "text_adherence": 0.5},
    first={"text_adherence": 0.25},
    licence="CC0",
    networks_card="NETWORKS_CARD.md",
    git="abc",
)


def test_a_runs_card_has_step_kl_and_rewards():
    text = card.model_card(ORIGIN, SIZES)
    assert "Run `r`, learner step 30. KL: 10.5 nats per clip from `base`." in text
    assert "| text_adherence | 0.25 | 0.5 |" in text
    assert "| simulated_quality | ? | 3.25 |" in text
    assert "SIMULATED" in text
    assert text.endswith("## Licence\n\nCC0\n")


def test_a_weights_files_card_claims_no_figure():
    origin = card.Origin(
        name="x.safetensors", step=None, kl=None, kl_ref="", rewards={}, first={},
        licence="?", networks_card="", git="abc",
    )  # fmt: skip
    text = card.model_card(origin, SIZES)
    assert "nothing was measured here" in text
    assert "None were measured" in text
    assert "came without a card" in text
