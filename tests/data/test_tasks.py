"""Caption mixtures: the same each time, in parts over processes, from any place on."""

import collections
import itertools
import sys

import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import caption_pool, splits, tasks

DESCRIBED = tuple(f"A waltz, take {i}." for i in range(60))
TYPED = tuple(f"お祭り {i}" for i in range(30))


def mixture(described=0.0, typed=0.0):
    return [
        tasks.CaptionTask(source="descriptions", texts=DESCRIBED, rate=described),
        tasks.CaptionTask(source="prompts", texts=TYPED, rate=typed),
    ]


def read(count=None, found=None, **reading):
    examples = tasks.captions(found or mixture(), tasks.Reading(**reading))
    return list(itertools.islice(examples, count))


def of_split(texts, split):
    return [t for t in texts if splits.split_of(caption_pool.key(t)) == split]


@pytest.mark.seqio
@pytest.mark.parametrize("split", [splits.TRAIN, splits.HELD_OUT])
def test_one_pass_has_every_caption_of_the_split_once(split):
    described, typed = (of_split(texts, split) for texts in (DESCRIBED, TYPED))
    wanted = [("descriptions", text) for text in described]
    wanted += [("prompts", text) for text in typed]
    found = read(split=split)
    assert sorted(found) == sorted(wanted)
    assert found != wanted


@pytest.mark.seqio
def test_the_seed_decides_on_the_order_and_on_nothing_else():
    assert read(seed=3) == read(seed=3)
    assert read(seed=3) != read(seed=4)
    assert sorted(read(seed=3)) == sorted(read(seed=4))


@pytest.mark.seqio
@pytest.mark.parametrize("shards", [2, 3])
def test_processes_share_the_examples(shards):
    parts = [read(shard=i, shards=shards) for i in range(shards)]
    assert sorted(itertools.chain(*parts)) == sorted(read())
    assert all(parts)


@pytest.mark.seqio
@pytest.mark.parametrize("repeat", [False, True])
def test_reading_goes_on_where_it_was(repeat):
    whole = read(70, repeat=repeat)
    assert read(45, repeat=repeat, start=25) == whole[25:]


@pytest.mark.seqio
def test_rates_decide_how_often_a_source_is_drawn():
    counts = collections.Counter(
        source for source, _ in read(2000, found=mixture(1.0, 3.0), repeat=True)
    )
    assert abs(counts["prompts"] / 2000 - 0.75) < 0.04
    natural = collections.Counter(source for source, _ in read(2000, repeat=True))
    assert abs(natural["prompts"] / 2000 - 1 / 3) < 0.04


@pytest.mark.seqio
def test_seqio_knows_the_mixture_by_its_name():
    import seqio

    name = tasks.register(mixture())
    assert tasks.register(mixture()) == name
    found = seqio.get_mixture_or_task(name)
    assert [task.source.splits for task in found.tasks] == [("train", "held_out")] * 2


def test_a_split_without_captions_is_refused():
    with pytest.raises(errors.InputError, match="'held_out'; there are none"):
        read(found=[tasks.CaptionTask(source="prompts", texts=(), rate=1.0)],
             split="held_out")  # fmt: skip


@pytest.mark.parametrize("fields", [{"shard": 2, "shards": 2}, {"start": -1}])
def test_impossible_readings_are_refused(fields):
    with pytest.raises(errors.InputError, match="shard"):
        tasks.Reading(**fields)


def test_without_its_packages_a_mixture_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "seqio", None)
    tasks._libraries.cache_clear()
    with pytest.raises(errors.InputError, match="-r requirements-data"):
        read()
