"""Epochs, configuration, access and signs of life of a run's processes."""

import threading

import pytest

from musicrl_jax.core import errors
from musicrl_jax.transport import (
    configuration,
    epochs,
    heartbeats,
    keys,
    preflight,
    store,
)


def test_learners_that_start_together_get_different_epochs(url):
    claimed = []
    threads = [
        threading.Thread(
            target=lambda: claimed.append(epochs.claim(store.open_store(url)))
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == [1, 2, 3, 4, 5, 6]


def test_an_older_learner_is_told_to_stop(run):
    first = epochs.claim(run.store)
    epochs.check(run.store, first)
    second = epochs.claim(run.store)
    epochs.check(run.store, second)
    with pytest.raises(errors.InvariantError, match="epoch 2 has taken over"):
        epochs.check(run.store, first)


def test_an_epoch_has_one_parent(run):
    epochs.record_parent(run.store, 1, None)
    epochs.record_parent(run.store, 2, (1, 40))
    epochs.record_parent(run.store, 2, (1, 40))
    assert epochs.parent(run.store, 1) is None
    assert epochs.parent(run.store, 2) == (1, 40)
    assert epochs.parent(run.store, 3) is None
    with pytest.raises(errors.InvariantError, match="Epoch 2"):
        epochs.record_parent(run.store, 2, (1, 30))


def test_every_role_needs_the_runs_configuration(run):
    text = "LearnerConfig.steps = 40\nLearnerConfig.batch_clips = 16\n"
    first = configuration.register(run.store, text)
    assert configuration.register(run.store, text) == first
    other = text.replace("16", "32")
    with pytest.raises(errors.ConfigMismatchError) as caught:
        configuration.register(run.store, other)
    assert "-LearnerConfig.batch_clips = 16; +LearnerConfig.batch_clips = 32" in str(
        caught.value
    )
    assert "steps" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_access_is_tried_out_and_leaves_nothing(run):
    preflight.check_access(run.store, writes=[keys.TRAJECTORIES, keys.HEARTBEATS])
    assert run.store.list("") == []


def test_a_store_that_overwrites_is_refused(run):
    class Overwrites(type(run.store)):
        def put_if_absent(self, key, data):
            self.delete(key)
            return super().put_if_absent(key, data)

    run.store.__class__ = Overwrites
    with pytest.raises(errors.InvariantError, match="create an object once"):
        preflight.check_access(run.store, writes=[keys.TRAJECTORIES])


def test_a_missing_right_names_the_place(tmp_path):
    (tmp_path / "traj").write_text("in the way")
    with pytest.raises(errors.MusicRLError, match="traj"):
        preflight.check_access(
            store.open_store(str(tmp_path)), writes=[keys.TRAJECTORIES]
        )


def test_silence_is_measured_on_the_observers_clock(run):
    now = [0.0]
    watch = heartbeats.Watch(run.store, lambda: now[0])
    first = heartbeats.Heartbeat(run.store, "actor", "a1")
    second = heartbeats.Heartbeat(run.store, "actor", "a2")
    first.beat({"clips": 1})
    second.beat({"clips": 1})
    assert watch.silent_seconds() == {"actor-a1": 0.0, "actor-a2": 0.0}
    now[0] = 7.0
    second.beat({"clips": 2})
    assert watch.silent_seconds() == {"actor-a1": 7.0, "actor-a2": 0.0}


def test_a_restarted_process_counts_on_and_old_beats_go(run):
    for start in range(3):
        beating = heartbeats.Heartbeat(run.store, "learner", "0")
        for count in range(4):
            beating.beat({"step": 10 * start + count})
    (beat,) = heartbeats.read_beats(run.store).values()
    assert beat == heartbeats.Beat(count=12, values={"step": 23})
    assert len(run.store.list(keys.HEARTBEATS)) == 2
