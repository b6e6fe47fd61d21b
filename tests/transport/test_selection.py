"""Selection is a pure function: the same clips in whatever order the store lists."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicrl_jax.core import errors
from musicrl_jax.transport import keys, manifests, selection, store

LINEAGE = {step: f"d{step}" for step in range(20)}


def _log(*written):
    log = manifests.ManifestLog(store.open_store("memory://"))
    for manifest in written:
        log.commit(manifest)
    return log


def _candidate(step, actor, seq, clips=2, **changes):
    identity = keys.TrajectoryId(step, actor, seq)
    fields = {"digest": f"d{step}", "sha256": "s", "clips": clips} | changes
    return selection.Candidate(identity=identity, **fields)


def _select(candidates, step=5, batch=4, staleness=3, log=None):
    return selection.select_batch(
        candidates,
        step=step,
        config=selection.SelectionConfig(batch_clips=batch, max_staleness=staleness),
        lineage=LINEAGE,
        log=log or _log(),
    )


def test_the_oldest_weights_come_first_then_actor_then_number():
    found = [_candidate(*x) for x in [(4, "a", 1), (3, "b", 9), (3, "a", 2)]]
    taken = [keys.TrajectoryId.parse(key) for key, _ in _select(found, batch=6).items]
    assert [(i.policy_step, i.actor, i.seq) for i in taken[::2]] == [
        (3, "a", 2),
        (3, "b", 9),
        (4, "a", 1),
    ]


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (_candidate(1, "a", 0), "stale"),
        (_candidate(6, "a", 0), "future"),
        (_candidate(5, "a", 0, defect="corrupt"), "corrupt"),
        (_candidate(5, "a", 0, defect="non_finite"), "non_finite"),
        (_candidate(5, "a", 0, digest="d4"), "foreign_digest"),
    ],
)
def test_each_refusal_has_its_reason(candidate, reason):
    good = _candidate(5, "b", 0)
    selected = _select([candidate, good])
    assert selected.dropped == ((candidate.identity.key, reason),)
    assert {key for key, _ in selected.items} == {good.identity.key}


def test_the_staleness_bound_is_inclusive():
    assert _select([_candidate(2, "a", 0)]).dropped == ()
    assert len(_select([_candidate(2, "a", 0)]).items) == 2


def test_weights_that_this_learner_never_published_are_foreign():
    found = _select([_candidate(25, "a", 0)], step=26)
    assert found.dropped[0][1] == "foreign_digest"


def test_of_two_trajectories_of_one_number_the_first_is_used():
    first, second = _candidate(3, "a", 7), _candidate(4, "a", 7)
    selected = _select([second, first])
    assert selected.dropped == ((second.identity.key, "duplicate"),)
    assert {key for key, _ in selected.items} == {first.identity.key}


def test_a_number_that_an_earlier_batch_used_is_a_duplicate():
    used, again = _candidate(3, "a", 7), _candidate(3, "a", 7)
    log = _log(_manifest(0, [(used.identity.key, 0)], clips=2))
    other = _candidate(2, "a", 7)
    selected = _select([again, other], log=log)
    assert selected.items == ((used.identity.key, 1),)
    assert selected.dropped == ((other.identity.key, "duplicate"),)


def test_a_refused_trajectory_does_not_own_its_number():
    stale, good = _candidate(1, "a", 7), _candidate(4, "a", 7)
    assert [reason for _, reason in _select([stale, good]).dropped] == ["stale"]
    assert len(_select([stale, good]).items) == 2


def _manifest(step, items, clips, dropped=()):
    objects = {key: manifests.SourceObject(sha256="s", clips=clips) for key, _ in items}
    return manifests.Manifest(
        step=step, epoch=1, items=tuple(items), objects=objects, dropped=tuple(dropped)
    )


@given(
    st.lists(
        st.tuples(
            st.integers(0, 8),
            st.sampled_from("abc"),
            st.integers(0, 5),
            st.integers(1, 3),
        ),
        unique_by=lambda x: x[:3],
        max_size=12,
    ),
    st.integers(0, 2**32),
)
def test_the_order_of_listing_does_not_matter(found, seed):
    candidates = [_candidate(*fields) for fields in found]
    shuffled = random.Random(seed).sample(candidates, len(candidates))
    assert _select(shuffled, step=6) == _select(candidates, step=6)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 9),
            st.sampled_from("ab"),
            st.integers(0, 9),
            st.integers(1, 4),
        ),
        unique_by=lambda x: x[:3],
        min_size=1,
        max_size=20,
    ),
    st.integers(1, 5),
)
def test_over_many_batches_no_clip_is_used_twice_and_no_number_twice(found, batch):
    candidates = [_candidate(*fields) for fields in found]
    log = _log()
    used = []
    for step in itertools.count():
        usable = [c for c in candidates if c.identity.policy_step <= step]
        selected = _select(usable, step=step, batch=batch, staleness=99, log=log)
        if len(selected.items) < batch:
            break
        log.commit(
            manifests.Manifest(
                step=step,
                epoch=1,
                items=selected.items,
                objects=selected.objects,
                dropped=selected.dropped,
            )
        )
        used.extend(selected.items)
    assert len(used) == len(set(used))
    owners = {}
    for key, _ in used:
        identity = keys.TrajectoryId.parse(key)
        number = (identity.actor, identity.seq)
        assert owners.setdefault(number, key) == key


@pytest.mark.parametrize(("batch", "staleness"), [(0, 1), (1, -1)])
def test_sizes_are_checked(batch, staleness):
    with pytest.raises(errors.InputError, match="LearnerConfig"):
        selection.SelectionConfig(batch_clips=batch, max_staleness=staleness)
