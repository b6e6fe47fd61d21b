"""Publications: the newest believable weights, and a learner's line of descent."""

import jax.numpy as jnp
import pytest

from musicrl_jax.checkpoints import digests
from musicrl_jax.core import errors
from musicrl_jax.transport import epochs, keys, publications


def _publication(epoch, step, *, checkpoint_epoch=None, value=0.0):
    return publications.Publication(
        epoch=epoch,
        step=step,
        checkpoint_epoch=checkpoint_epoch or epoch,
        policy=digests.digest_tree({"w": jnp.full(3, value)}),
        config_hash="c",
        versions={"jax": "0"},
    )


def test_a_publication_survives_its_bytes():
    made = _publication(2, 5)
    assert publications.Publication.from_bytes(made.to_bytes()) == made


def test_a_changed_publication_is_not_believed(run):
    epochs.claim(run.store)
    publications.publish(run.store, _publication(1, 5))
    other = _publication(1, 6).to_bytes().replace(b'"float32"', b'"float16"')
    run.store.put_if_absent(keys.publication_key(1, 6), other)
    run.store.put_if_absent(keys.publication_key(1, 7), b"torn")
    assert [p.step for p in publications.newest_first(run.store)] == [5]


def test_a_learner_that_was_overtaken_cannot_publish(run):
    first = epochs.claim(run.store)
    epochs.claim(run.store)
    with pytest.raises(errors.InvariantError, match="taken over"):
        publications.publish(run.store, _publication(first, 1))
    assert run.store.list(keys.PUBLICATIONS) == []


def test_a_step_is_published_with_one_set_of_weights(run):
    epoch = epochs.claim(run.store)
    publications.publish(run.store, _publication(epoch, 1))
    publications.publish(run.store, _publication(epoch, 1))
    with pytest.raises(errors.InvariantError, match="other weights"):
        publications.publish(run.store, _publication(epoch, 1, value=1.0))


def test_the_lineage_leaves_out_what_was_rolled_back(run):
    for parent, steps in ((None, (0, 2, 4)), ((1, 2), (2, 3)), ((2, 3), (3, 5))):
        epoch = epochs.claim(run.store)
        epochs.record_parent(run.store, epoch, parent)
        for step in steps:
            value = 100.0 * epoch + step
            publications.publish(run.store, _publication(epoch, step, value=value))
    lineage = publications.lineage(run.store, 3)
    values = {0: 100.0, 2: 202.0, 3: 303.0, 5: 305.0}
    expected = {s: _publication(9, s, value=v).digest for s, v in values.items()}
    assert lineage == expected
    assert set(publications.lineage(run.store, 1)) == {0, 2, 4}
