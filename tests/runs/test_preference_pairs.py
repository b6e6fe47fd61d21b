"""Scores of pairs: each clip once a caption, and every choice its own two."""

import numpy as np

from musicrl_jax.data import preference_choices, preference_rows
from musicrl_jax.models.preference import adapter
from musicrl_jax.models.preference import config as preference_config
from musicrl_jax.runs import preference_pairs
from tests.runs import preference_data

# Clip 0 was heard with both captions, and some pairs by several users.
CAPTIONS = ("slow", "fast", "slow", "slow", "fast", "slow")
PREFERRED = np.asarray([0, 3, 1, 0, 0, 0])
OTHER = np.asarray([1, 0, 0, 2, 3, 1])
CHOICES = preference_choices.Choices(
    captions=CAPTIONS, preferred=PREFERRED, other=OTHER, first=np.ones(6, bool)
)
NUMBERS = {"slow": 10, "fast": 20}
FRAMES, POSITIONS = 6, preference_data.LAYOUT.tokens_per_frame


def make_judge():
    """Returns a judge of clips whose tokens are all their number."""
    tokens = np.broadcast_to(np.arange(4)[:, None, None], (4, FRAMES, POSITIONS))
    pairs = preference_pairs.Pairs(
        tokens=tokens.astype(np.uint16),
        facts=preference_rows.Facts(
            simulated=True, frame_rate_hz=25.0, tokens_per_frame=POSITIONS
        ),
        selection=preference_choices.Selection(
            train=CHOICES, held_out=CHOICES, counts={}
        ),
        conditioning={text: np.full(12, code) for text, code in NUMBERS.items()},
    )
    model = adapter.make_model(
        preference_config.PreferenceConfig(),
        preference_data.TRUNK,
        preference_data.LAYOUT,
    )
    return preference_pairs.Judge(
        model=model, pairs=pairs, choices=CHOICES, frames=4, clips_per_call=2
    )


def test_a_clip_is_scored_once_a_caption_and_each_choice_has_its_own(monkeypatch):
    calls = []

    def score(model, params, tokens, conditioning):
        calls.append(len(tokens))
        return np.asarray(tokens[:, 0, 0] + conditioning[:, 0], np.float32)

    monkeypatch.setattr(adapter.PreferenceModel, "score", score)
    preferred, other = make_judge().scores({})
    captions = np.asarray([NUMBERS[text] for text in CAPTIONS])
    np.testing.assert_array_equal(preferred, PREFERRED + captions)
    np.testing.assert_array_equal(other, OTHER + captions)
    # With "slow" clips 0, 1 and 2 were heard, with "fast" 0 and 3: five in calls of 2.
    assert calls == [2, 2, 2]
