import hypothesis
import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, layout

PAPER = layout.TokenLayout(
    streams=(
        layout.Stream(name="semantic", codebook_size=1024),
        layout.Stream(name="coarse", codebook_size=512, levels=4, steps_per_frame=2),
    )
)


def test_thirty_seconds_are_6750_tokens():
    assert PAPER.num_frames(30.0) * PAPER.tokens_per_frame == 6750


def test_order_within_a_frame_is_semantic_then_step_by_step_levels():
    semantic = jnp.arange(2).reshape(1, 2, 1)
    coarse = 100 + jnp.arange(16).reshape(1, 4, 4)
    tokens = PAPER.interleave({"semantic": semantic, "coarse": coarse})
    np.testing.assert_array_equal(tokens[0, 0], [0, *range(100, 108)])
    np.testing.assert_array_equal(tokens[0, 1], [1, *range(108, 116)])


@hypothesis.given(
    sizes=st.lists(
        st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(1, 3)),
        min_size=1,
        max_size=3,
    ),
    frames=st.integers(1, 4),
    seed=st.integers(0, 99),
)
@hypothesis.settings(deadline=None, max_examples=30)
def test_deinterleave_inverts_interleave(sizes, frames, seed):
    any_layout = layout.TokenLayout(
        streams=tuple(
            layout.Stream(name=str(i), codebook_size=c, levels=n, steps_per_frame=s)
            for i, (c, n, s) in enumerate(sizes)
        )
    )
    rng = np.random.default_rng(seed)
    streams = {
        s.name: jnp.asarray(
            rng.integers(0, s.codebook_size, (2, frames * s.steps_per_frame, s.levels))
        )
        for s in any_layout.streams
    }
    tokens = any_layout.interleave(streams)
    assert np.all(np.asarray(tokens) < np.asarray(any_layout.codebook_sizes))
    for name, back in any_layout.deinterleave(tokens).items():
        np.testing.assert_array_equal(back, streams[name])


def test_valid_entries_count_each_codebook():
    counts = PAPER.valid_entries().sum(axis=-1)
    np.testing.assert_array_equal(counts, [1024] + [512] * 8)


def test_bad_layouts_and_streams_say_what_is_wrong():
    with pytest.raises(errors.InputError, match="codebook_size must be at least 1"):
        layout.Stream(name="semantic", codebook_size=0)
    twice = layout.Stream(name="a", codebook_size=2)
    with pytest.raises(errors.InputError, match="distinct names"):
        layout.TokenLayout(streams=(twice, twice))
    with pytest.raises(errors.InputError, match="it has semantic, coarse"):
        PAPER.positions("fine")
