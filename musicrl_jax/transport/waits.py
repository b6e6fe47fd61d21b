"""Waiting that ends: with what was waited for, or with an error that says what."""

import dataclasses
import time
from collections.abc import Callable
from typing import TypeVar

from musicrl_jax.core import errors

T = TypeVar("T")


def _nothing() -> None:
    """Does nothing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait, how often to look, and what to do meanwhile.

    Attributes:
      timeout_seconds: how long, on `clock`.
      interval_seconds: between two looks.
      clock: seconds that never run backwards.
      sleep: takes seconds.
      meanwhile: called before each look; it may raise `Preempted` to end the wait.
    """

    timeout_seconds: float
    interval_seconds: float = 0.2
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    meanwhile: Callable[[], None] = _nothing

    def __post_init__(self) -> None:
        if self.timeout_seconds <= 0 or self.interval_seconds <= 0:
            raise errors.InputError(
                "Timeouts and intervals must be positive seconds; got "
                f"{self.timeout_seconds} and {self.interval_seconds}."
            )


def wait_for(
    look: Callable[[], T | None],
    what: str,
    patience: Patience,
    detail: Callable[[], str] = str,
) -> T:
    """Returns the first thing but None that `look` gives.

    Args:
      look: called again and again.
      what: is waited for, for the error.
      patience: how long and how often.
      detail: what is known of the reason, asked for when time is up.

    Raises:
      TemporaryError: when time is up.
    """
    start = patience.clock()
    while True:
        patience.meanwhile()
        found = look()
        if found is not None:
            return found
        if patience.clock() - start >= patience.timeout_seconds:
            known = detail()
            raise errors.TemporaryError(
                f"Waited {patience.timeout_seconds:g} s for {what}"
                f"{'; ' + known if known else ''}. "
                "See in logs/ of the run directory that its other processes are alive."
            )
        patience.sleep(patience.interval_seconds)
