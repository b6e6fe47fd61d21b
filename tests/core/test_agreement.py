"""Several hosts come to do the same; here they are threads with a table between."""

import threading

import jax
import numpy as np
import pytest
from jax.experimental import multihost_utils

from musicrl_jax.core import agreement, errors

HOSTS = 3


class Table:
    """Stands for the two collectives; every host lays down a message, then reads."""

    def __init__(self):
        self.here = threading.local()
        self.barrier = threading.Barrier(HOSTS, timeout=20)
        self.messages = [np.empty(0)] * HOSTS

    def gather(self, message):
        self.messages[self.here.host] = message
        self.barrier.wait()
        found = np.stack(self.messages)
        self.barrier.wait()
        return found

    def broadcast(self, message):
        return self.gather(message)[0]


@pytest.fixture
def on_hosts(monkeypatch):
    """Calls a function on each host; returns what each returned or raised."""
    table = Table()
    monkeypatch.setattr(jax, "process_count", lambda: HOSTS)
    monkeypatch.setattr(jax, "process_index", lambda: table.here.host)
    monkeypatch.setattr(multihost_utils, "process_allgather", table.gather)
    monkeypatch.setattr(multihost_utils, "broadcast_one_to_all", table.broadcast)

    def call(function):
        results = [None] * HOSTS

        def on(host):
            table.here.host = host
            try:
                results[host] = function(host)
            except errors.MusicRLError as error:
                results[host] = error

        threads = [threading.Thread(target=on, args=(host,)) for host in range(HOSTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    return call


def test_all_hosts_hear_what_host_0_decides(on_hosts):
    heard = on_hosts(lambda host: agreement.by_host_0(lambda: f"ä{host}" * 20))
    assert heard == ["ä0" * 20] * HOSTS


def test_while_host_0_waits_all_are_asked_equally_often(on_hosts):
    asked = [0] * HOSTS

    def decide(sign):
        for _ in range(5):
            sign()
        return "go"

    def one(host):
        def meanwhile():
            asked[host] += 1

        return agreement.led(decide, meanwhile)

    assert on_hosts(one) == ["go"] * HOSTS
    assert asked == [5] * HOSTS


@pytest.mark.parametrize(
    "kind",
    [
        errors.InputError,
        errors.InvariantError,
        errors.TemporaryError,
        errors.ConfigMismatchError,
        errors.Preempted,
    ],
)
def test_what_host_0_cannot_do_ends_all_with_its_code(on_hosts, kind):
    def fail():
        raise kind("A long reason. " * 30)

    raised = on_hosts(lambda host: agreement.by_host_0(fail))
    assert [type(error) for error in raised] == [kind] * HOSTS
    assert "Host 0: A long reason." in str(raised[1])


def test_host_0_may_end_the_wait_for_all(on_hosts):
    def one(host):
        def meanwhile():
            if host == 0:
                raise errors.Preempted("stop")

        return agreement.led(lambda sign: sign() or "never", meanwhile)

    assert [type(error) for error in on_hosts(one)] == [errors.Preempted] * HOSTS


def test_what_one_host_cannot_do_ends_all_with_its_code(on_hosts):
    def one(host):
        def do():
            if host == 1:
                raise errors.InvariantError("a clip is gone")
            return host

        return agreement.together(do)

    raised = on_hosts(one)
    assert [type(error) for error in raised] == [errors.InvariantError] * HOSTS
    assert str(raised[1]) == "a clip is gone"
    assert str(raised[2]) == "Host 1: a clip is gone"


def test_what_all_can_do_gives_each_its_own(on_hosts):
    assert on_hosts(lambda host: agreement.together(lambda: host)) == [0, 1, 2]


def test_a_disk_that_fails_one_host_ends_all(on_hosts):
    def one(host):
        def do():
            if host == 2:
                raise OSError("no space")

        try:
            return agreement.together(do)
        except OSError:
            return "own"

    found = on_hosts(one)
    assert found[2] == "own"
    assert isinstance(found[0], errors.InputError)


def test_one_process_just_calls():
    calls = []
    assert agreement.led(lambda sign: sign() or "x", lambda: calls.append(1)) == "x"
    assert calls == [1]
    assert agreement.together(lambda: 3) == 3
