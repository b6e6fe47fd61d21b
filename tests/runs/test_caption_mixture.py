"""The mixture of a seqio pipeline has the captions of the plain pool."""

import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import caption_pool as pools
from musicrl_jax.data import captions, splits
from musicrl_jax.runs import caption_mixture, caption_pool

CAPS = "ytid,start_s,end_s,aspect_list,caption\n" + "".join(
    f"id{i},0,10,\"['slow', 'piano {i}']\",\"A piano, take {i}.\nIt is sad {i}.\"\n"
    for i in range(40)
)


@pytest.fixture
def files(tmp_path):
    """Four sources in three files; two rows are bad, some captions repeat."""
    lines = [f"A waltz, number {i}. It is slow, J. S. Bach {i}." for i in range(40)]
    (tmp_path / "described.txt").write_text("\n".join([*lines, "...", lines[0]]))
    (tmp_path / "caps.csv").write_text(CAPS + "bad,0,10\n")
    typed = [f"日本の祭り {i}" for i in range(40)] + ["A waltz, number 3.", "é" * 9]
    (tmp_path / "typed.txt").write_text("\n".join(typed), encoding="utf-8")
    return {
        "descriptions": str(tmp_path / "described.txt"),
        "musiccaps": str(tmp_path / "caps.csv"),
        "prompts": str(tmp_path / "typed.txt"),
    }


def config(files, out, **fields):
    return caption_mixture.CaptionMixtureConfig(out=str(out), **(files | fields))


def lines(path):
    file = captions.CaptionFile(path)
    return [file[i] for i in range(len(file))]


@pytest.mark.seqio
@pytest.mark.parametrize("split", [splits.TRAIN, splits.HELD_OUT])
def test_a_pass_has_what_the_pool_has(files, tmp_path, split):
    pool = tmp_path / "pool.jsonl"
    caption_pool.run(caption_pool.CaptionPoolConfig(out=str(pool), **files))
    wanted = [caption.text for caption in pools.read(pool) if caption.split == split]
    out = tmp_path / "mixed.jsonl"
    summary = caption_mixture.run(config(files, out, split=split))
    found = lines(out)
    assert set(found) == set(wanted)
    assert len(found) == len(wanted) == sum(summary.captions.values())
    assert set(summary.captions) == set(caption_mixture.SOURCES)
    assert summary.hash == captions.CaptionFile(out).content_hash
    assert summary.skipped == 2


@pytest.mark.seqio
def test_a_file_follows_from_its_settings(files, tmp_path):
    fields = {"mixture": "musiccaps_tags=1, prompts=3", "count": 400}
    first, again, other = (
        caption_mixture.run(config(files, tmp_path / f"{i}", seed=seed, **fields))
        for i, seed in enumerate((0, 0, 1))
    )
    assert first.hash == again.hash != other.hash
    assert sum(first.captions.values()) == 400
    assert abs(first.captions["prompts"] / 400 - 0.75) < 0.08
    assert set(first.captions) == {"musiccaps_tags", "prompts"}


def test_too_many_bad_rows_are_refused(files, tmp_path):
    with pytest.raises(errors.InputError, match="41 good and 1 bad"):
        caption_mixture.run(config(files, tmp_path / "out", max_bad_share=0.01))
    assert not (tmp_path / "out").exists()


def test_a_source_of_the_mixture_must_be_given(files, tmp_path):
    bare = {"prompts": files["prompts"], "mixture": "descriptions=1"}
    with pytest.raises(errors.InputError, match="draws from descriptions"):
        caption_mixture.run(config(bare, tmp_path / "out"))


@pytest.mark.parametrize("mixture", ["poems=1", "prompts", "prompts=0", "prompts=x"])
def test_mixtures_are_sources_with_rates(tmp_path, mixture):
    with pytest.raises(errors.InputError, match="SOURCE=RATE"):
        config({}, tmp_path, mixture=mixture)


@pytest.mark.parametrize("fields", [{"split": "test"}, {"count": -1}])
def test_impossible_settings_are_named(tmp_path, fields):
    with pytest.raises(errors.InputError, match="'train' or 'held_out'"):
        config({}, tmp_path, **fields)
