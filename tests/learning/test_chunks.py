"""Cutting and joining frames."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musicrl_jax.learning import accumulation, chunks


@given(st.integers(1, 30), st.integers(1, 40))
def test_join_undoes_cut_and_pieces_keep_to_the_limit(num_frames, chunk_frames):
    frames = jnp.arange(2 * num_frames * 3).reshape(2, num_frames, 3)
    pieces = chunks.cut({"x": frames}, chunk_frames)
    assert pieces["x"].shape[2] <= chunk_frames
    assert pieces["x"].shape[0] * pieces["x"].shape[2] < num_frames + chunk_frames
    np.testing.assert_array_equal(chunks.join(pieces, num_frames)["x"], frames)


def test_filled_up_frames_are_zero():
    pieces = chunks.cut(jnp.ones((1, 5)), 3)
    np.testing.assert_array_equal(pieces[:, 0], [[1, 1, 1], [1, 1, 0]])


def test_accumulation_is_the_mean_and_keeps_the_order_of_clips():
    batch = jnp.arange(8.0)

    def gradient_of(x):
        return {"g": jnp.mean(x**2)}, x * 10

    whole = gradient_of(batch)
    for parts in (1, 2, 4, 8):
        gradient, per_clip = accumulation.accumulate(gradient_of, batch, parts)
        np.testing.assert_allclose(gradient["g"], whole[0]["g"])
        np.testing.assert_array_equal(per_clip, whole[1])
