"""A corpus that several processes tokenise together: as if it had been one."""

import dataclasses

import pytest
import tokenize_corpora as corpora

from musicrl_jax.data import manifest, token_cache, token_shards
from musicrl_jax.runs import tokenize_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return corpora.write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_processes_that_share_a_job_give_the_same_bytes(corpus, tmp_path, order):
    rows = list(manifest.read_manifest(corpus / "manifest.jsonl").rows)
    bad = dataclasses.replace(rows[0], path=str(tmp_path / "absent.wav"))
    path = tmp_path / "mixed.jsonl"
    manifest.write_manifest(path, [bad, rows[0], *rows[1:], rows[0]])
    common = {"manifest": str(path), "shards": 5, "max_bad_share": 0.4}
    whole = tokenize_corpus.run(corpora.config(corpus, tmp_path / "whole", **common))
    shared = [
        corpora.config(corpus, tmp_path / "shared", part=part, parts=2, **common)
        for part in order
    ]
    seen = []
    first = tokenize_corpus.run(shared[0], lambda *done: seen.append(done))
    own = 2 + order[0]  # of five shards, each with one row
    assert (first.shards, first.missing, first.hash) == (own, 5 - own, "")
    assert seen[-1][:2] == (own, own)
    assert not (tmp_path / "shared" / token_cache.INDEX).exists()
    last = tokenize_corpus.run(shared[1])
    assert dataclasses.replace(last, tokens="", skipped_file="") == (
        dataclasses.replace(whole, tokens="", skipped_file="")
    )
    assert corpora.contents(tmp_path / "shared") == corpora.contents(tmp_path / "whole")
    # The one that was first, started again, has nothing left to do.
    assert tokenize_corpus.run(shared[0]) == last


def test_a_process_that_another_one_overtakes_finds_the_job_done(
    corpus, tmp_path, monkeypatch
):
    first, second = (
        corpora.config(corpus, tmp_path, part=part, parts=2, shards=2)
        for part in (0, 1)
    )
    records = token_shards.ShardJob.records

    def overtaken(job):
        monkeypatch.setattr(token_shards.ShardJob, "records", records)
        tokenize_corpus.run(second)  # writes the index and clears the records away
        return records(job)

    monkeypatch.setattr(token_shards.ShardJob, "records", overtaken)
    summary = tokenize_corpus.run(first)
    assert (summary.missing, summary.clips) == (0, 3)
