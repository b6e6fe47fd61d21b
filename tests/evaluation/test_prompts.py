"""Which prompts are chosen, what their captions name, and their file."""

import collections

import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import manifest
from musicrl_jax.evaluation import prompts

GENRES = ("tango", "bossa nova", "house")


def make_rows(split, clips, start=0):
    return [
        manifest.ClipRow(
            path=f"{split}{i}.flac",
            duration_seconds=30.0,
            sample_rate_hz=16_000,
            captions=(
                f"A slow {GENRES[i % 3]} number {i}, {split}",
                f"Something unnamed, {i} {split}",
            ),
            attributes={"genre": GENRES[i % 3], "mood": "sad"},
            split=split,
        )
        for i in range(start, start + clips)
    ]


ROWS = (
    make_rows("train", 50)
    + make_rows("held_out", 60)
    + make_rows("held_out_combination", 30)
)


def test_the_papers_prompts():
    everything = prompts.paper_prompts()
    assert len({prompt.text for prompt in everything}) == 101
    assert all(prompt.text == prompt.text.strip() for prompt in everything)
    assert "a cheerful ragtime with guitar" in {prompt.text for prompt in everything}
    dozen = prompts.paper_prompts(12)
    assert len({prompt.text for prompt in dozen}) == 12
    with pytest.raises(errors.InputError, match="101"):
        prompts.paper_prompts(102)


def test_chooses_distinct_captions_that_were_held_out():
    chosen = prompts.held_out_prompts(ROWS, 48, seed=4)
    assert len({prompt.text for prompt in chosen}) == 48
    assert not any("train" in prompt.text for prompt in chosen)
    origins = collections.Counter(prompt.origin for prompt in chosen)
    assert origins["held_out_combination"] == 16
    first = collections.Counter(prompt.origin for prompt in chosen[:12])
    assert first["held_out_combination"] == 4
    genres = collections.Counter(prompt.attributes.get("genre") for prompt in chosen)
    assert max(genres.values()) - min(genres.values()) <= 2
    assert set(genres) == set(GENRES)


def test_choice_depends_on_the_seed_alone():
    chosen = prompts.held_out_prompts(ROWS, 20, seed=4)
    assert chosen == prompts.held_out_prompts(ROWS, 20, seed=4)
    assert chosen != prompts.held_out_prompts(ROWS, 20, seed=5)


def test_captions_that_training_clips_have_too_are_no_prompts():
    (row,) = make_rows("held_out", 1)
    object.__setattr__(row, "captions", ("Tango!", "A tango in a hall"))
    (met,) = make_rows("train", 1)
    object.__setattr__(met, "captions", ("tango",))
    chosen = prompts.held_out_prompts([row, met], 1, seed=0)
    assert [prompt.text for prompt in chosen] == ["A tango in a hall"]
    with pytest.raises(errors.InputError, match="have 1"):
        prompts.held_out_prompts([row, met], 2, seed=0)


def test_too_few_captions():
    with pytest.raises(errors.InputError, match="have 180"):
        prompts.held_out_prompts(ROWS, 181, seed=0)
    assert len(prompts.held_out_prompts(ROWS, 180, seed=0)) == 180


@pytest.mark.parametrize("shared", [1, 5, 20])
def test_captions_of_both_splits_count_once_and_all_can_be_chosen(shared):
    """As many as there are distinct ones, whichever split they were taken from."""
    combined = make_rows("held_out_combination", 20)
    plain = make_rows("held_out", 20)
    for one, other in zip(combined[:shared], plain[:shared], strict=True):
        object.__setattr__(other, "captions", one.captions)
    texts = {text for row in combined + plain for text in row.captions}
    chosen = prompts.held_out_prompts(combined + plain, len(texts), seed=3)
    assert {prompt.text for prompt in chosen} == texts
    assert len(chosen) == len(texts)


@pytest.mark.parametrize(
    ("caption", "named"),
    [
        ("A fast Bossa-Nova, by night", {"genre": "bossa nova"}),
        ("Warehouse bossa, novarium", {}),
        ("drum'n'bass tune", {}),
        ("some Brazilian jazz", {"genre": "bossa nova"}),
    ],
)
def test_names_whole_words_only(caption, named):
    found = prompts.named_attributes(
        caption,
        {"genre": "bossa nova", "mood": "sad"},
        {"bossa nova": ("brazilian jazz",)},
    )
    assert found == named


def test_file_round_trip(tmp_path):
    path = tmp_path / "prompts.json"
    chosen = (
        *prompts.held_out_prompts(ROWS, 5, seed=0),
        prompts.Prompt(text="悲しい歌"),
    )
    prompts.write_prompts(path, chosen)
    assert prompts.read_prompts(path) == chosen


@pytest.mark.parametrize(
    "text", ["", "[]", '{"prompts": [{"text": ""}]}', '{"prompts": [{"no": 1}]}']
)
def test_malformed_files(tmp_path, text):
    path = tmp_path / "prompts.json"
    with pytest.raises(errors.InputError, match="prompt file"):
        prompts.read_prompts(path)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(errors.InputError):
        prompts.read_prompts(path)
