"""A stop request: asked in loops, silent outside of them, impatient at the second."""

import os
import signal

import pytest

from musicrl_jax.runs import stopping

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def handlers():
    # What Python has by itself; processes that run tests may have other ones.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_an_answer(number):
    with stopping.StopRequest() as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()


def test_after_the_block_signals_do_what_they_did_before(handlers):
    with stopping.StopRequest() as stop:
        assert not stop()
    assert {n: signal.getsignal(n) for n in SIGNALS} == handlers
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_before_the_first_question_nothing_is_taken_over(handlers):
    stop = stopping.StopRequest()
    assert {n: signal.getsignal(n) for n in SIGNALS} == handlers
    assert not stop()
    assert {n: signal.getsignal(n) for n in SIGNALS} != handlers


def test_the_second_signal_ends_at_once():
    stop = stopping.StopRequest().listen()
    os.kill(os.getpid(), signal.SIGINT)
    assert stop()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
