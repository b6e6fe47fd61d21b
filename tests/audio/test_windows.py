import hypothesis
import pytest
from hypothesis import strategies

from musicrl_jax.audio import windows
from musicrl_jax.core import errors

RATE = 16_000


def test_a_clip_of_30_s_has_the_papers_windows():
    spans = [(w.start / RATE, w.stop / RATE) for w in windows.thirds(30 * RATE)]
    assert spans == [(0, 10), (10, 20), (20, 30)]
    spans = [(w.start / RATE, w.stop / RATE) for w in windows.first_last(30 * RATE)]
    assert spans == [(0, 20), (10, 30)]


@hypothesis.given(n=strategies.integers(3, 10**6))
def test_windows_are_equal_cover_both_ends_and_stay_inside(n):
    for chosen in (windows.thirds(n), windows.first_last(n)):
        assert len({w.stop - w.start for w in chosen}) == 1
        assert chosen[0].start == 0
        assert chosen[-1].stop == n
        assert all(0 <= w.start < w.stop <= n for w in chosen)
    sizes = [w.stop - w.start for w in windows.thirds(n)]
    assert n - 2 <= sum(sizes) <= n


@hypothesis.given(n=strategies.integers(3, 10**6))
def test_thirds_do_not_overlap(n):
    first, middle, last = windows.thirds(n)
    assert first.stop <= middle.start
    assert middle.stop <= last.start


def test_too_short_clips_and_bad_shares_are_refused():
    with pytest.raises(errors.InputError, match="longer clips"):
        windows.thirds(2)
    with pytest.raises(errors.InputError, match="share"):
        windows.first_last(100, share=0.0)
