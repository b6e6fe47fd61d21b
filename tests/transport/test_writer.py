"""Writers: numbers go on after a restart; a name used twice harms nothing."""

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.transport import keys, leader, selection, waits, writer

NOW = waits.Patience(timeout_seconds=1e-9, sleep=lambda _: None)


@pytest.fixture
def open_writer(url, run, token_layout):
    """Starts an actor process of a name."""

    def start(name="a1"):
        opened = type(run)(url)
        return writer.TrajectoryWriter(opened.store, opened.log, name, token_layout)

    return start


def _write(sender, make_trajectory, **changes):
    made = make_trajectory("a1", sender.next_seq, nonce=sender.nonce, **changes)
    return sender.write(made, NOW)


def _leader(run, batch_clips):
    return leader.BatchLeader(
        log=run.log,
        trajectories=run.reader,
        config=selection.SelectionConfig(batch_clips=batch_clips, max_staleness=9),
        epoch=1,
        lineage={0: "digest-0"},
    )


def test_a_restart_goes_on_with_the_next_number(run, open_writer, make_trajectory):
    sender = open_writer()
    assert sender.next_seq == 0
    assert _write(sender, make_trajectory)
    assert _write(sender, make_trajectory)
    assert open_writer().next_seq == 2
    assert open_writer("a2").next_seq == 0
    _leader(run, 4).manifest(0, NOW)
    for key in run.store.list(keys.TRAJECTORIES):
        run.store.delete(key)
    assert open_writer().next_seq == 2


def test_two_processes_of_one_name_never_share_a_number(
    run, open_writer, make_trajectory
):
    first, second = open_writer(), open_writer()
    assert _write(first, make_trajectory)
    assert not _write(second, make_trajectory)
    assert second.duplicates == 1
    assert second.next_seq == 1
    assert _write(second, make_trajectory)
    assert len(run.store.list(keys.TRAJECTORIES)) == 2


def test_the_backlog_is_what_no_batch_has_used(run, open_writer, make_trajectory):
    sender = open_writer()
    for _ in range(3):
        _write(sender, make_trajectory)
    assert sender.backlog() == 3
    _leader(run, 3).manifest(0, NOW)
    assert sender.backlog() == 2
    _leader(run, 3).manifest(1, NOW)
    assert sender.backlog() == 0


def test_trajectories_that_no_batch_will_take_do_not_hold_actors_back(
    run, open_writer, make_trajectory
):
    sender = open_writer()
    for _ in range(3):
        _write(sender, make_trajectory, digest="of another learner")
    assert sender.backlog() == 3
    with pytest.raises(errors.TemporaryError, match="0 are usable and 3"):
        _leader(run, 2).manifest(0, NOW)
    assert sender.backlog() == 0
    _write(sender, make_trajectory)
    manifest = _leader(run, 2).manifest(0, NOW)
    assert manifest.drop_counts == {"foreign_digest": 3}


def test_what_is_not_finite_is_never_sent(run, open_writer, make_trajectory):
    with pytest.raises(errors.InvariantError, match="not a number"):
        _write(open_writer(), make_trajectory, rewards=np.float32([1, np.nan]))
    assert run.store.list("") == []


def test_another_number_or_name_is_refused(open_writer, make_trajectory):
    with pytest.raises(errors.InvariantError, match="expects number 0"):
        open_writer().write(make_trajectory("a1", 3), NOW)


class _Full:
    """A store that fails some times first."""

    def __init__(self, store, failures):
        self._store, self._failures = store, failures

    def put_if_absent(self, key, data):
        """Fails, or passes on."""
        if self._failures:
            self._failures -= 1
            raise errors.TemporaryError("No room to write")
        return self._store.put_if_absent(key, data)

    def __getattr__(self, name):
        return getattr(self._store, name)


def test_a_full_disk_is_waited_out(run, token_layout, make_trajectory):
    slept = []
    patience = waits.Patience(
        timeout_seconds=9.0, clock=lambda: 0.0, sleep=slept.append
    )
    full = _Full(run.store, failures=3)
    sender = writer.TrajectoryWriter(full, run.log, "a1", token_layout)
    made = make_trajectory("a1", 0, nonce=sender.nonce)
    assert sender.write(made, patience)
    assert len(slept) == 3
    assert run.store.list(keys.TRAJECTORIES) == [made.key]


def test_a_disk_that_stays_full_is_an_error_with_its_reason(
    run, token_layout, make_trajectory
):
    full = _Full(run.store, failures=99)
    sender = writer.TrajectoryWriter(full, run.log, "a1", token_layout)
    with pytest.raises(errors.TemporaryError, match="No room to write"):
        sender.write(make_trajectory("a1", 0, nonce=sender.nonce), NOW)
    assert sender.next_seq == 0
