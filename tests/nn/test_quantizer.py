"""Laws of the residual quantiser, and a plain numpy reference of it."""

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies

from musicrl_jax.nn import quantizer

LEVELS, SIZE, WIDTH = 3, 8, 4
quantize = jax.jit(quantizer.quantize)
dequantize = jax.jit(quantizer.dequantize)
update = jax.jit(quantizer.update, static_argnames=("decay", "dead_below"))


def reference_quantize(entries, vectors):
    """Residual quantisation by brute force, one vector at a time."""
    codes = np.zeros((len(vectors), len(entries)), np.int64)
    total = np.zeros_like(vectors)
    for k, vector in enumerate(vectors):
        for level, book in enumerate(entries):
            distances = [np.linalg.norm(vector - total[k] - entry) for entry in book]
            codes[k, level] = int(np.argmin(distances))
            total[k] = total[k] + book[codes[k, level]]
    return codes, total


def reference_update(entries, counts, sums, codes, vectors, decay):
    """Moving averages by loops; no entry is dead."""
    counts, sums = counts * decay, sums * decay
    residual = vectors.copy()
    for level in range(len(entries)):
        for k in range(len(vectors)):
            code = codes[k, level]
            counts[level, code] += 1 - decay
            sums[level, code] += (1 - decay) * residual[k]
            residual[k] = residual[k] - entries[level, code]
    return counts, sums


def random_books(seed, vectors=20):
    rng = np.random.default_rng(seed)
    entries = rng.normal(size=(LEVELS, SIZE, WIDTH))
    entries = entries * 0.5 ** np.arange(LEVELS)[:, None, None]
    return (
        entries.astype(np.float32),
        rng.normal(size=(vectors, WIDTH)).astype(np.float32),
    )


@hypothesis.given(seed=strategies.integers(0, 2**31))
def test_codes_equal_brute_force(seed):
    entries, vectors = random_books(seed)
    quantized = quantize(jnp.asarray(entries), jnp.asarray(vectors))
    codes, total = reference_quantize(entries, vectors)
    np.testing.assert_array_equal(quantized.codes, codes)
    summed = dequantize(jnp.asarray(entries), quantized.codes[None])[0]
    np.testing.assert_allclose(summed, total, atol=1e-5)
    np.testing.assert_allclose(quantized.chosen.sum(0), total, atol=1e-5)


@hypothesis.given(seed=strategies.integers(0, 2**31))
def test_fewer_levels_are_the_first_terms_of_the_sum(seed):
    entries, vectors = map(jnp.asarray, random_books(seed))
    quantized = quantize(entries, vectors)
    for levels in range(1, LEVELS + 1):
        part = dequantize(entries, quantized.codes[None, :, :levels])[0]
        np.testing.assert_allclose(
            part, quantized.chosen[:levels].sum(0), rtol=1e-5, atol=1e-6
        )
        left = vectors - part
        if levels < LEVELS:
            np.testing.assert_allclose(quantized.residuals[levels], left, atol=1e-5)


@hypothesis.given(seed=strategies.integers(0, 2**31))
def test_one_level_sums_of_entries_are_fixed_points(seed):
    entries, _ = random_books(seed)
    vectors = jnp.asarray(entries[0])
    quantized = quantize(jnp.asarray(entries[:1]), vectors)
    np.testing.assert_array_equal(quantized.codes[:, 0], np.arange(SIZE))


def test_update_equals_loops():
    entries, vectors = random_books(3)
    rng = np.random.default_rng(4)
    counts = rng.uniform(1, 3, size=(LEVELS, SIZE)).astype(np.float32)
    sums = entries * counts[..., None]
    quantized = quantize(jnp.asarray(entries), jnp.asarray(vectors))
    moved = update(
        quantizer.CodebookStatistics(
            entries=jnp.asarray(entries),
            counts=jnp.asarray(counts),
            sums=jnp.asarray(sums),
        ),
        quantized,
        jnp.ones((len(vectors), LEVELS)),
        jax.random.key(0),
        decay=0.9,
        dead_below=0.0,
    )
    wanted_counts, wanted_sums = reference_update(
        entries, counts, sums, np.asarray(quantized.codes), vectors, 0.9
    )
    np.testing.assert_allclose(moved.counts, wanted_counts, rtol=1e-5)
    np.testing.assert_allclose(moved.sums, wanted_sums, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        moved.entries, wanted_sums / wanted_counts[..., None], rtol=1e-4, atol=1e-5
    )


def test_left_out_vectors_move_nothing():
    entries, vectors = map(jnp.asarray, random_books(5))
    counts = jnp.full((LEVELS, SIZE), 2.0)
    before = quantizer.CodebookStatistics(
        entries=entries, counts=counts, sums=entries * 2.0
    )
    quantized = quantize(entries, vectors)
    weights = jnp.ones((20, LEVELS)).at[:, 1:].set(0.0)
    after = update(
        before, quantized, weights, jax.random.key(0), decay=0.9, dead_below=0.0
    )
    np.testing.assert_allclose(after.entries[1:], entries[1:], rtol=1e-5)
    assert not np.allclose(after.entries[0], entries[0])


def test_dead_entries_become_vectors_of_the_batch():
    _, vectors = random_books(6)
    before = quantizer.init_statistics(LEVELS, SIZE, WIDTH)
    quantized = quantize(before.entries, jnp.asarray(vectors))
    after = update(
        before,
        quantized,
        jnp.ones((20, LEVELS)),
        jax.random.key(1),
        decay=0.9,
        dead_below=3.0,
    )
    rows = {tuple(row) for row in vectors}
    first = [tuple(row) for row in np.asarray(after.entries[0])]
    assert set(first) <= rows
    assert len(set(first)) == SIZE


def test_averages_converge_to_cluster_means_and_error_falls():
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(SIZE, WIDTH)) * 5
    books = quantizer.init_statistics(1, SIZE, WIDTH)
    errors = []
    for number in range(60):
        noise = 0.01 * rng.normal(size=(64, WIDTH))
        vectors = jnp.asarray(centres[rng.integers(SIZE, size=64)] + noise, jnp.float32)
        quantized = quantize(books.entries, vectors)
        errors.append(float(jnp.mean((vectors - quantized.chosen[0]) ** 2)))
        books = update(
            books,
            quantized,
            jnp.ones((64, 1)),
            jax.random.key(number),
            decay=0.8,
            dead_below=0.5,
        )
    assert errors[-1] < 1e-3 < errors[1]
    nearest = np.linalg.norm(
        np.asarray(books.entries[0])[:, None] - centres[None], axis=-1
    ).min(0)
    assert nearest.max() < 0.05


def test_perplexity_counts_equally_used_entries():
    counts = jnp.asarray([[1.0] * 8, [4.0, 4.0] + [0.0] * 6])
    np.testing.assert_allclose(quantizer.perplexity(counts), [8.0, 2.0], rtol=1e-4)


def test_dropout_leaves_whole_clips_at_fewer_levels():
    used = quantizer.levels_used(jax.random.key(0), (64, 5), 3, 0.99)
    used = used.reshape(64, 5, 3)
    assert np.ptp(used, axis=1).max() == 0
    assert set(np.asarray(used.sum(-1)[:, 0])) == {1.0, 2.0, 3.0}
    assert np.all(np.diff(used, axis=-1) <= 0)


def test_commitment_ignores_left_out_levels_and_holds_entries_fixed():
    rng = np.random.default_rng(0)
    residuals, chosen = (
        jnp.asarray(rng.normal(size=(2, 3, 4)), jnp.float32) for _ in "ab"
    )
    used = jnp.asarray([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    squared = np.mean((np.asarray(residuals) - np.asarray(chosen)) ** 2, -1)
    wanted = (squared[0].sum() + squared[1, 2]) / 4
    np.testing.assert_allclose(
        quantizer.commitment(residuals, chosen, used), wanted, rtol=1e-5
    )
    gradient = jax.grad(quantizer.commitment, argnums=(0, 1))(residuals, chosen, used)
    assert np.abs(gradient[0]).max() > 0
    np.testing.assert_array_equal(gradient[1], 0.0)


def test_gradient_passes_the_quantiser_as_it_is():
    entries, vectors = map(jnp.asarray, random_books(8))
    used = jnp.ones((20, LEVELS)).at[:, 2].set(0.0)
    passed = quantizer.pass_through(entries, vectors, used)
    np.testing.assert_allclose(
        passed.vectors, passed.quantized.chosen[:2].sum(0), atol=1e-5
    )
    slope = jax.grad(
        lambda v: (quantizer.pass_through(entries, v, used).vectors * vectors).sum()
    )
    np.testing.assert_allclose(slope(vectors), vectors, rtol=1e-6)


def test_start_fits_residual_k_means_once():
    centres = np.random.default_rng(0).normal(size=(SIZE, WIDTH)) * 5
    noise = 0.01 * np.random.default_rng(1).normal(size=(10, SIZE, WIDTH))
    vectors = jnp.asarray((centres + noise).reshape(-1, WIDTH), jnp.float32)
    empty = quantizer.init_statistics(2, SIZE, WIDTH)
    begin = jax.jit(quantizer.start, static_argnames="iterations")
    books = begin(empty, vectors, jax.random.key(0), iterations=10)
    left = vectors - quantize(books.entries, vectors).chosen.sum(0)
    assert jnp.mean(jnp.square(left)) < 1e-4 * jnp.mean(jnp.square(vectors))
    np.testing.assert_allclose(
        books.sums / books.counts[..., None], books.entries, rtol=1e-6
    )
    again = begin(books, vectors + 1.0, jax.random.key(1), iterations=10)
    jax.tree.map(np.testing.assert_array_equal, again, books)


def test_start_takes_fewer_vectors_than_entries():
    vectors = jnp.asarray(random_books(9, vectors=3)[1])
    empty = quantizer.init_statistics(LEVELS, SIZE, WIDTH)
    books = quantizer.start(empty, vectors, jax.random.key(0), 5)
    left = vectors - quantize(books.entries, vectors).chosen.sum(0)
    assert jnp.abs(left).max() < 1e-3
