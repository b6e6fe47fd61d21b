"""Splits of pairs: by caption or by count, of sure choices, of groups; batches."""

import dataclasses

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import preference_batches, preference_choices, preference_rows


def pair(number, **changes):
    fields = {
        "caption": f"caption {number % 200}",
        "a": 2 * number,
        "b": 2 * number + 1,
        "choice": "a" if number % 3 else "b",
        "user": f"u{number}",
        "source": "a test",
        "licence": "CC0",
    }
    return preference_rows.Preference(**(fields | changes))


PAIRS = [pair(number) for number in range(1_000)]
ALL = preference_choices.SelectionConfig()


def test_no_caption_is_in_both_splits_and_a_twentieth_is_held_out():
    found = preference_choices.select(PAIRS, ALL)
    assert not set(found.train.captions) & set(found.held_out.captions)
    assert found.counts["captions_in_both"] == 0
    assert found.counts["train"] + found.counts["held_out"] == 1_000
    # 200 captions: a standard error of 0.016.
    assert found.counts["held_out"] / 1_000 == pytest.approx(0.05, abs=0.05)


@pytest.mark.parametrize("counts", [(), (700, 50)])
def test_order_and_spelling_have_no_influence_on_the_split(counts):
    config = preference_choices.SelectionConfig(exact_counts=counts)
    found = preference_choices.select(PAIRS, config)
    other = [
        dataclasses.replace(one, caption=one.caption.upper() + "!")
        for one in reversed(PAIRS)
    ]
    again = preference_choices.select(other, config)
    for one, two in ((found.train, again.train), (found.held_out, again.held_out)):
        assert set(one.preferred) == set(two.preferred)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"caption": "one"}, r"leave 1000 and 0\. .*exact_counts=\(950, 50\)"),
        ({"choice": "tie"}, r"0 of them usable, leave 0 and 0\. .* or widen Selection"),
    ],
)
def test_a_set_that_leaves_a_side_empty_is_refused_with_a_remedy(changes, said):
    rows = [dataclasses.replace(one, **changes) for one in PAIRS]
    with pytest.raises(errors.InputError, match=said):
        preference_choices.select(rows, ALL)


def test_exact_counts_are_met_and_share_at_most_one_caption():
    config = preference_choices.SelectionConfig(exact_counts=(947, 53))
    found = preference_choices.select(PAIRS, config)
    assert (len(found.train), len(found.held_out)) == (947, 53)
    shared = set(found.train.captions) & set(found.held_out.captions)
    assert len(shared) == found.counts["captions_in_both"] == 1
    with pytest.raises(errors.InputError, match="1000 can be used"):
        preference_choices.select(
            PAIRS, preference_choices.SelectionConfig(exact_counts=(950, 51))
        )


def test_the_chosen_clip_is_preferred_and_its_side_is_known():
    found = preference_choices.select(PAIRS, ALL)
    for split in (found.train, found.held_out):
        number = split.preferred // 2
        expected = 2 * number + (number % 3 == 0)
        np.testing.assert_array_equal(split.preferred, expected)
        np.testing.assert_array_equal(split.other, 4 * number + 1 - expected)
        np.testing.assert_array_equal(split.first, number % 3 != 0)


def test_choices_on_one_prompt_are_a_cluster():
    choices = preference_choices.select(PAIRS, ALL).held_out
    assert choices.cluster_kind == "prompt"
    for text in set(choices.captions):
        same = np.asarray([caption == text for caption in choices.captions])
        (number,) = set(choices.clusters[same].tolist())
        assert not np.any(choices.clusters[~same] == number)


def test_choices_without_different_prompts_are_clustered_by_pair():
    rows = [pair(n // 2, caption="music", user=f"u{n}") for n in range(100)]
    rows[1] = dataclasses.replace(rows[1], a=rows[1].b, b=rows[1].a)
    config = preference_choices.SelectionConfig(exact_counts=(10, 90))
    choices = preference_choices.select(rows, config).held_out
    assert choices.cluster_kind == "pair"
    smaller = np.minimum(choices.preferred, choices.other)
    for first, second in ((a, b) for a in range(20) for b in range(20)):
        together = choices.clusters[first] == choices.clusters[second]
        assert together == (smaller[first] == smaller[second])


def test_ties_unsure_and_other_groups_are_counted_and_left_out():
    rows = [
        *PAIRS,
        pair(1_000, choice="tie"),
        pair(1_001, choice=None),
        *(pair(n, group="jazz", confidence=n % 10 / 10) for n in range(2_000, 3_000)),
    ]
    config = preference_choices.SelectionConfig(min_confidence=0.75, groups=("jazz",))
    found = preference_choices.select(rows, config)
    assert found.counts["left_out/tie"] == found.counts["left_out/no_choice"] == 1
    assert found.counts["left_out/other_group"] == 1_000
    assert found.counts["left_out/unsure"] == 800
    used = np.concatenate([found.train.preferred, found.held_out.preferred]) // 2
    assert sorted(used) == [n for n in range(2_000, 3_000) if n % 10 >= 8]
    sure = preference_choices.SelectionConfig(min_confidence=0.1)
    assert preference_choices.select(rows, sure).counts["left_out/unsure"] == 1_100


@pytest.mark.parametrize(
    "fields",
    [{"min_confidence": 2.0}, {"exact_counts": (3,)}, {"exact_counts": (3, 0)}],
)
def test_rejects_selections_that_mean_nothing(fields):
    with pytest.raises(errors.InputError, match="SelectionConfig"):
        preference_choices.SelectionConfig(**fields)


def test_too_few_pairs_are_refused():
    with pytest.raises(errors.InputError, match=r"leave [01] and [01]"):
        preference_choices.select([pair(1)], ALL)


def make_batches(**changes):
    choices = preference_choices.select(PAIRS, ALL).train
    clip, frame = np.arange(2_000)[:, None], np.arange(10)[None]
    tokens = np.stack(np.broadcast_arrays(clip, frame), axis=-1).astype(np.uint16)
    fields = {
        "tokens": tokens,
        "choices": choices,
        "conditioning": np.stack([choices.preferred, choices.other], axis=1),
        "batch_size": 8,
        "frames": 4,
    }
    return preference_batches.PreferenceBatches(**(fields | changes))


def test_both_clips_of_a_pair_are_cropped_at_one_place_with_its_caption():
    batch = make_batches().batch(5)
    for name, column in (("preferred", 0), ("other", 1)):
        assert batch[name].shape == (8, 4, 2)
        rows = np.broadcast_to(batch["conditioning"][:, column, None], (8, 4))
        np.testing.assert_array_equal(batch[name][..., 0], rows)
        assert (np.diff(batch[name][..., 1].astype(int), axis=1) == 1).all()
    np.testing.assert_array_equal(batch["preferred"][..., 1], batch["other"][..., 1])
    starts = np.concatenate(
        [make_batches().batch(step)["other"][:, 0, 1] for step in range(20)]
    )
    assert set(starts) == set(range(7))
    again = make_batches().batch(5)
    assert all((again[name] == batch[name]).all() for name in batch)


def test_the_middle_of_a_clip():
    tokens = make_batches().tokens
    frames = preference_batches.middle(tokens, 4)[0, :, 1]
    np.testing.assert_array_equal(frames, [3, 4, 5, 6])


@pytest.mark.parametrize("changes", [{"frames": 11}, {"batch_size": 0}])
def test_rejects_batches_that_cannot_be_made(changes):
    with pytest.raises(errors.InputError, match="got"):
        make_batches(**changes)


def test_choices_of_one_pair_are_drawn_with_their_share():
    choices = preference_choices.Choices(
        captions=("a", "a", "a", "a", "b"),
        preferred=np.asarray([0, 1, 0, 0, 2]),
        other=np.asarray([1, 0, 1, 1, 3]),
        first=np.asarray([True, False, True, True, True]),
    )
    batches = make_batches(
        choices=choices, conditioning=np.zeros((5, 2), np.int32), batch_size=400
    )
    batch = batches.batch(0)
    assert set(batch["number"].tolist()) == {0, 4}
    shares = {
        int(n): float(share)
        for n, share in zip(batch["number"], batch["share"], strict=True)
    }
    assert shares == {0: 0.75, 4: 1.0}
    # A pair is drawn as often as it has choices: 4 of 5 times.
    assert abs((batch["number"] == 0).mean() - 0.8) < 0.08
