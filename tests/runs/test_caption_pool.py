import json

import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import caption_pool as pools
from musicrl_jax.data import captions
from musicrl_jax.runs import caption_pool


def _config(root, **fields):
    return caption_pool.CaptionPoolConfig(out=str(root / "pool.jsonl"), **fields)


def _prompts(root, lines):
    path = root / "prompts.txt"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return str(path)


def test_sources_become_a_pool_and_a_caption_file_of_each_split(tmp_path):
    (tmp_path / "d.jsonl").write_text(
        "".join(json.dumps(f"Song {i} is slow. It is sad.") + "\n" for i in range(100))
    )
    (tmp_path / "caps.csv").write_text(
        "ytid,start_s,end_s,aspect_list,caption\n"
        "abc,0,10,\"['slow', 'piano']\",\"It is sad.\nA piano.\"\n"
    )
    summary = caption_pool.run(
        _config(
            tmp_path,
            descriptions=str(tmp_path / "d.jsonl"),
            musiccaps=str(tmp_path / "caps.csv"),
            prompts=_prompts(tmp_path, [b"A waltz. Slow", b"a piano."]),
        )
    )
    assert summary.captions == {
        "descriptions": 101,
        "musiccaps_sentences": 1,
        "musiccaps_tags": 1,
        "prompts": 1,
    }
    # "It is sad." came 99 times more from descriptions and once from MusicCaps.
    assert summary.repeated == 101
    pool = list(pools.read(tmp_path / "pool.jsonl"))
    for split in ("train", "held_out"):
        path = tmp_path / f"pool.{split}.jsonl"
        file = captions.CaptionFile(path, summary.hashes[str(path)])
        texts = [caption.text for caption in pool if caption.split == split]
        assert [file[i] for i in range(len(file))] == texts
    assert len(pool) == 104


def test_each_file_may_have_its_share_of_bad_rows(tmp_path):
    lines = [b"prompt %d" % i for i in range(60)]
    config = _config(tmp_path, prompts=_prompts(tmp_path, [*lines, b"caf\xe9"]))
    summary = caption_pool.run(config)
    assert (summary.captions, summary.skipped) == ({"prompts": 60}, 1)
    (entry,) = (tmp_path / "pool.jsonl.skipped.jsonl").read_text().splitlines()
    assert json.loads(entry)["row"] == 61
    before = (tmp_path / "pool.jsonl").read_bytes()
    (tmp_path / "d.jsonl").write_text('"A good one."\n"cut in ha\n')
    with pytest.raises(errors.InputError, match=r"d\.jsonl has 1 good and 1 bad"):
        caption_pool.run(
            _config(
                tmp_path,
                prompts=config.prompts,
                descriptions=str(tmp_path / "d.jsonl"),
            )
        )
    assert (tmp_path / "pool.jsonl").read_bytes() == before


@pytest.mark.parametrize(("share", "split"), [(0.0, "train"), (1.0, "held_out")])
def test_one_split_is_enough_where_one_is_asked_for(tmp_path, share, split):
    prompts = _prompts(tmp_path, [b"a waltz"])
    summary = caption_pool.run(_config(tmp_path, prompts=prompts, held_out_share=share))
    assert list(summary.hashes) == [str(tmp_path / f"pool.{split}.jsonl")]


def test_a_split_without_captions_is_refused(tmp_path):
    prompts = _prompts(tmp_path, [b"a"])
    with pytest.raises(errors.InputError, match=r"held_out\.jsonl"):
        caption_pool.run(_config(tmp_path, prompts=prompts, held_out_share=0.1))


def test_bad_configs_are_refused(tmp_path):
    with pytest.raises(errors.InputError, match="descriptions"):
        caption_pool.run(_config(tmp_path))
    with pytest.raises(errors.InputError, match="held_out_share"):
        _config(tmp_path, prompts="p.txt", held_out_share=-0.1)
