"""Waits end."""

import pytest

from musicrl_jax.core import errors
from musicrl_jax.transport import waits


class _Clock:
    """Time that passes only in sleep."""

    def __init__(self):
        self.now = 100.0

    def read(self):
        """Returns the time."""
        return self.now

    def sleep(self, seconds):
        """Lets time pass."""
        self.now += seconds


def _patience(clock, **changes):
    fields = {"timeout_seconds": 10.0, "clock": clock.read, "sleep": clock.sleep}
    return waits.Patience(**(fields | changes))


def test_what_comes_is_returned_even_if_it_is_false():
    looks = iter([None, None, 0])
    clock = _Clock()
    assert waits.wait_for(lambda: next(looks), "a thing", _patience(clock)) == 0
    assert clock.now == pytest.approx(100.4)


def test_the_error_says_what_and_how_long_and_why():
    clock = _Clock()
    with pytest.raises(errors.TemporaryError, match=r"10 s for a thing; none came\. "):
        waits.wait_for(lambda: None, "a thing", _patience(clock), lambda: "none came")
    assert clock.now == pytest.approx(110, abs=0.3)


def test_a_stop_request_ends_the_wait():
    def stop():
        raise errors.Preempted("asked to stop")

    with pytest.raises(errors.Preempted):
        waits.wait_for(lambda: None, "x", _patience(_Clock(), meanwhile=stop))


def test_patience_checks_itself():
    with pytest.raises(errors.InputError, match="positive"):
        waits.Patience(timeout_seconds=0.0)
