import json

import hypothesis
import pytest
from hypothesis import strategies

from musicrl_jax.core import errors
from musicrl_jax.data import caption_pool, captions, splits
from musicrl_jax.data.readers import items

CAPS = (
    "ytid,start_s,end_s,aspect_list,caption\n"
    "abc,0,10,\"['slow', 'piano']\",\"A slow piano.\nIt is sad.\"\n"
    "def,0,10,[],A tango.\n"
    "ghi,0,10,[],\n"
)


def _captions(*texts):
    return [caption_pool.Caption(text=text, source="prompts") for text in texts]


def test_descriptions_become_sentences(tmp_path):
    path = tmp_path / "d.jsonl"
    rows = [{"text": "It is slow. It is sad.", "licence": "X"}, "...", "Fast!"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, bad, last = caption_pool.from_descriptions(path)
    assert [caption.text for caption in first] == ["It is slow.", "It is sad."]
    assert {(c.source, c.licence) for c in first} == {("descriptions", "X")}
    assert (bad.row, "no sentence" in bad.reason) == (2, True)
    assert [caption.text for caption in last] == ["Fast!"]


def test_musiccaps_gives_sentences_and_tag_lists(tmp_path):
    (tmp_path / "caps.csv").write_text(CAPS)
    first, second, bad = caption_pool.from_musiccaps(tmp_path / "caps.csv")
    assert [(caption.source, caption.text) for caption in first] == [
        ("musiccaps_sentences", "A slow piano."),
        ("musiccaps_sentences", "It is sad."),
        ("musiccaps_tags", "slow, piano"),
    ]
    assert {caption.licence for caption in first} == {"CC-BY-SA-4.0"}
    assert [caption.text for caption in second] == ["A tango."]
    assert (type(bad), bad.row) == (items.Problem, 5)


def test_prompts_stay_whole(tmp_path):
    (tmp_path / "p.txt").write_text("Rock. But slow,  please\n\n日本の祭り\n")
    found = [
        caption
        for row in caption_pool.from_prompts(tmp_path / "p.txt")
        for caption in row
    ]
    assert [caption.text for caption in found] == [
        "Rock. But slow, please",
        "日本の祭り",
    ]
    assert {caption.source for caption in found} == {"prompts"}


def test_a_caption_is_taken_once_by_its_first_source():
    pool = caption_pool.Pool(0.0)
    taken = list(pool.new(_captions("A waltz", "a  WALTZ", "a tango", "A waltz")))
    assert [caption.text for caption in taken] == ["A waltz", "a tango"]
    assert pool.repeated == 2
    assert pool.counts == {("prompts", splits.TRAIN): 2}


@hypothesis.given(
    texts=strategies.lists(strategies.text(min_size=1), min_size=1, unique=True),
    added=strategies.lists(strategies.text(min_size=1)),
    seed=strategies.randoms(use_true_random=False),
)
def test_order_and_other_captions_move_no_caption(texts, added, seed):
    def split_by_text(found):
        taken = caption_pool.Pool(0.5).new(_captions(*found))
        return {" ".join(c.text.casefold().split()): c.split for c in taken}

    before = split_by_text(texts)
    mixed = texts + added
    seed.shuffle(mixed)
    after = split_by_text(mixed)
    assert {key: after[key] for key in before} == before


def test_pool_files_come_back_and_give_caption_files(tmp_path):
    path = tmp_path / "pool.jsonl"
    texts = [f"caption {i}\u2028 ワルツ" for i in range(200)]
    taken = list(caption_pool.Pool(0.1).new(_captions(*texts)))
    path.write_text("".join(map(caption_pool.to_line, taken)), encoding="utf-8")
    assert list(caption_pool.read(path)) == taken
    out = tmp_path / "held_out.jsonl"
    content_hash = caption_pool.write_captions(path, splits.HELD_OUT, out)
    file = captions.CaptionFile(out, content_hash)
    held_out = [caption.text for caption in taken if caption.split == splits.HELD_OUT]
    assert [file[i] for i in range(len(file))] == held_out
    assert 5 < len(held_out) < 40


@pytest.mark.parametrize("line", ['{"text": "cut', '{"caption": "x"}', "[1]"])
def test_damaged_pools_are_refused(tmp_path, line):
    path = tmp_path / "pool.jsonl"
    good = caption_pool.to_line(caption_pool.Caption(text="a", source="b"))
    path.write_text(good + line + "\n")
    with pytest.raises(errors.InputError, match="line 2"):
        list(caption_pool.read(path))
    with pytest.raises(errors.InputError, match="musicrl pool"):
        list(caption_pool.read(tmp_path / "absent.jsonl"))
