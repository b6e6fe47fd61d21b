"""How the processes of one program, one a host, come to do the same.

Every process calls these functions in the same order, as it does any collective. What
one of them cannot do ends all of them, with the same kind of error. A program of one
process calls what it is given, and nothing else.
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import UInt8

from musicrl_jax.core import errors

T = TypeVar("T")
Message = UInt8[np.ndarray, " bytes"]

_BYTES = 256  # of a message: its kind, the length of its text, the text
_DONE = 0
_WAITING = 1  # no exit code of an error


def _nothing() -> None:
    """Does nothing."""


def led(
    decide: Callable[[Callable[[], None]], str],
    meanwhile: Callable[[], None] = _nothing,
) -> str:
    """Returns on every host what host 0 decides.

    Args:
      decide: is called on host 0, with a function that it calls before each look while
        it waits. That sends the others a sign, so that none of them is left alone with
        a collective for long. Its answer has at most 250 bytes.
      meanwhile: is called on every host at each sign. Only host 0 may raise in it.

    Raises:
      MusicRLError: what `decide` raised; on other hosts one of the same exit code.
    """
    if jax.process_count() == 1:
        return decide(meanwhile)
    if jax.process_index() == 0:
        return _lead(decide, meanwhile)
    while True:
        kind, text = _read(_from_host_0(_message(_DONE, "")))
        if kind == _DONE:
            return text
        if kind != _WAITING:
            raise errors.of_exit_code(kind, f"Host 0: {text}")
        meanwhile()


def by_host_0(do: Callable[[], str]) -> str:
    """Returns on every host what `do` returns on host 0, where alone it is called.

    Raises:
      MusicRLError: what `do` raised; on other hosts one of the same exit code.
    """
    return led(lambda _: do())


def together(do: Callable[[], T]) -> T:
    """Returns what `do` returns here, as soon as it has ended well on every host.

    Raises:
      MusicRLError: what `do` raised here, or one of the exit code of another host.
    """
    if jax.process_count() == 1:
        return do()
    results: list[T] = []
    failed, message = None, _message(_DONE, "")
    try:
        results.append(do())
    except (errors.MusicRLError, OSError) as error:
        failed, message = error, _of_error(error)
    for host, row in enumerate(np.asarray(multihost_utils.process_allgather(message))):
        kind, text = _read(row)
        if kind != _DONE and host != jax.process_index():
            failed = failed or errors.of_exit_code(kind, f"Host {host}: {text}")
    if failed is not None:
        raise failed
    return results[0]


def _lead(
    decide: Callable[[Callable[[], None]], str], meanwhile: Callable[[], None]
) -> str:
    def sign() -> None:
        _from_host_0(_message(_WAITING, ""))
        meanwhile()

    try:
        text = decide(sign)
    except (errors.MusicRLError, OSError) as error:
        _from_host_0(_of_error(error))
        raise
    _from_host_0(_message(_DONE, text))
    return text


def _from_host_0(message: Message) -> Message:
    return np.asarray(multihost_utils.broadcast_one_to_all(message))


def _message(kind: int, text: str) -> Message:
    """Returns a message; all have one length, so that one program carries them."""
    data = text.encode()[: _BYTES - 2]
    return np.frombuffer(bytes([kind, len(data)]) + data.ljust(_BYTES - 2), np.uint8)


def _of_error(error: Exception) -> Message:
    code = getattr(error, "exit_code", errors.InputError.exit_code)
    return _message(code, str(error))


def _read(message: Message) -> tuple[int, str]:
    kind, length = int(message[0]), int(message[1])
    return kind, message[2 : 2 + length].tobytes().decode(errors="ignore")
