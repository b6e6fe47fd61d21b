import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from musicrl_jax.core import errors
from musicrl_jax.data import captions

TEXTS = ["a slow tango", 'quoted "waltz"\nwith a break', "Ελληνικό ρεμπέτικο", "ジャズ"]


@hypothesis.given(
    texts=strategies.lists(strategies.text().filter(str.strip), min_size=1)
)
def test_any_captions_come_back_by_number(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("captions") / "captions.jsonl"
    captions.build_caption_file(texts, path)
    file = captions.CaptionFile(path)
    assert [file[i] for i in range(len(file))] == texts


def test_the_hash_follows_the_content(tmp_path):
    first = captions.build_caption_file(TEXTS, tmp_path / "a.jsonl")
    assert first == captions.build_caption_file(TEXTS, tmp_path / "b.jsonl")
    assert first != captions.build_caption_file(TEXTS[::-1], tmp_path / "c.jsonl")
    assert captions.CaptionFile(tmp_path / "a.jsonl", first).content_hash == first
    with pytest.raises(errors.InputError, match="hash"):
        captions.CaptionFile(tmp_path / "c.jsonl", first)


@pytest.mark.parametrize("index", [-1, len(TEXTS)])
def test_numbers_outside_are_an_index_error(tmp_path, index):
    captions.build_caption_file(TEXTS, tmp_path / "a.jsonl")
    with pytest.raises(IndexError, match=str(index)):
        captions.CaptionFile(tmp_path / "a.jsonl")[index]


@pytest.mark.parametrize("texts", [[], ["good", "  "]])
def test_captions_without_text_are_refused(tmp_path, texts):
    with pytest.raises(errors.InputError):
        captions.build_caption_file(texts, tmp_path / "a.jsonl")
    assert not (tmp_path / "a.jsonl").exists()


def test_missing_empty_and_cut_files_are_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    with pytest.raises(errors.InputError, match="exist"):
        captions.CaptionFile(path)
    path.write_bytes(b"")
    with pytest.raises(errors.InputError, match="exist"):
        captions.CaptionFile(path)
    captions.build_caption_file(TEXTS, path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(errors.InputError, match="cut off"):
        captions.CaptionFile(path)


@hypothesis.given(
    count=strategies.integers(1, 20),
    size=strategies.integers(1, 50),
    actor=strategies.integers(0, 5),
)
def test_each_pass_meets_every_caption_once(count, size, actor):
    batches = -(-3 * size // count)
    drawn = np.concatenate(
        [captions.prompt_indices(1, actor, seq, count, size) for seq in range(batches)]
    )
    for start in range(0, 3 * size, size):
        assert sorted(drawn[start : start + size]) == list(range(size))


def test_prompts_follow_from_the_arguments_alone():
    before = captions.prompt_indices(7, 2, 5, 16, 1000)
    captions.prompt_indices(7, 3, 0, 16, 1000)
    np.testing.assert_array_equal(before, captions.prompt_indices(7, 2, 5, 16, 1000))


@pytest.mark.parametrize("other", [(8, 2, 5), (7, 3, 5), (7, 2, 6)])
def test_other_seeds_actors_and_batches_have_other_prompts(other):
    here = captions.prompt_indices(7, 2, 5, 16, 1000)
    assert not np.array_equal(here, captions.prompt_indices(*other, 16, 1000))


def test_no_captions_are_refused():
    with pytest.raises(errors.InputError, match="size=0"):
        captions.prompt_indices(0, 0, 0, 4, 0)
