"""Keeps the memory of freed arrays in this process for the next ones.

glibc otherwise gives every large array back to the kernel, which zeroes its pages anew
for the next: a fifth of the time of a supervised step. Only glibc's main arena keeps
large arrays, so all threads share it. Other C libraries are left as they are; with an
accelerator only the host's copies are concerned.
"""

import ctypes

ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**33),
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
    "MALLOC_TOP_PAD_": str(2**26),
}
"""What makes a child process do so from its start."""

# Numbers from malloc.h; values are of C's int.
_MMAP_THRESHOLD, _TRIM_THRESHOLD, _TOP_PAD, _ARENA_MAX = -3, -1, -2, -8
_LARGEST, _OLD_LARGEST = 2**31 - 1, 2**25


def keep() -> bool:
    """Makes this process do so; call it before JAX has threads.

    They take arenas of their own for their first array and stay with them, so a call
    after the first computation changes nothing for what JAX computes.

    Returns:
      Whether the C library takes all of it: glibc does, but for old versions, whose
      threshold ends at 32 MiB.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    whole = bool(mallopt(_MMAP_THRESHOLD, _LARGEST))
    if not whole:  # the others end what glibc finds out for itself: at least its most
        mallopt(_MMAP_THRESHOLD, _OLD_LARGEST)
    chosen = {_ARENA_MAX: 1, _TRIM_THRESHOLD: _LARGEST, _TOP_PAD: 2**26}
    taken = [mallopt(option, value) for option, value in chosen.items()]
    return whole and all(taken)
