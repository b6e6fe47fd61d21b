"""Errors that a person can act on, and the exit code of each.

The text of each says the rule, the value and the remedy in one line. `cli` turns
them into that line on standard error and the exit code; nothing else catches them.
"""


class MusicRLError(Exception):
    """An error with an exit code; see the subclasses."""

    exit_code = 1


class InputError(MusicRLError, ValueError):
    """The user gave something that cannot be used (exit code 2)."""

    exit_code = 2


class InvariantError(MusicRLError, RuntimeError):
    """Stored state contradicts the protocol; a person must look (exit code 70)."""

    exit_code = 70


class TemporaryError(MusicRLError, RuntimeError):
    """Something that a retry can mend, such as a wait that ran out (exit code 75)."""

    exit_code = 75


class ConfigMismatchError(MusicRLError, ValueError):
    """A role was started with another configuration than its run (exit code 78)."""

    exit_code = 78


class Preempted(MusicRLError):  # noqa: N818 - an event, not a fault
    """The process was asked to stop and saved its state (exit code 143)."""

    exit_code = 143


class LostHostError(TemporaryError):
    """Another process of this program is gone (exit code 75).

    Nothing that needs it can be done any more, not even an orderly end.
    """


def of_exit_code(code: int, text: str) -> MusicRLError:
    """Returns the error that ends with `code`, as another host of a program saw it."""
    kinds = (InputError, InvariantError, TemporaryError, ConfigMismatchError, Preempted)
    kind = next((kind for kind in kinds if kind.exit_code == code), MusicRLError)
    return kind(text)


def reason(error: Exception) -> str:
    """Returns why a file cannot be read, without Python's names and numbers."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    return str(error)
