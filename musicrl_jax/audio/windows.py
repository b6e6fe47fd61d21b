"""The windows that rewards look at (MusicRL, section 3.2).

A clip of 30 s has three windows of 10 s for text adherence and two of 20 s (its first
and last) for quality and preference; shorter clips have them in proportion.
"""

from musicrl_jax.core import errors

FIRST_LAST_SHARE = 2 / 3


def thirds(n: int) -> tuple[slice, slice, slice]:
    """Returns three windows of `n // 3` of `n` samples, first, middle and last."""
    size = _size(n, 1 / 3)
    middle = (n - size) // 2
    return slice(0, size), slice(middle, middle + size), slice(n - size, n)


def first_last(n: int, share: float = FIRST_LAST_SHARE) -> tuple[slice, slice]:
    """Returns the first and the last `share` of `n` samples, equally long."""
    if not 0 < share <= 1:
        raise errors.InputError(
            f"share must lie in (0, 1]; got {share}. Use 2/3 as the paper does."
        )
    size = _size(n, share)
    return slice(0, size), slice(n - size, n)


def _size(n: int, share: float) -> int:
    size = int(n * share + 1e-6)
    if size < 1:
        raise errors.InputError(
            f"A window of {share:.2f} of the clip needs at least {int(1 / share)} "
            f"samples; got {n}. Use longer clips."
        )
    return size
