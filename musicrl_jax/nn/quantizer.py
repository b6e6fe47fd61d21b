"""Residual vector quantisation with entries that follow moving averages.

Level i quantises what levels before it left over (SoundStream, Zeghidour et al. 2021,
section III.C). Codebooks are statistics, not parameters: no gradient reaches them.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.core.struct import struct
from musicrl_jax.nn import clustering, reductions


@struct
class CodebookStatistics:
    """What the moving averages keep.

    Attributes:
      entries: the codebooks; `sums / counts` but for entries just drawn anew.
      counts: average number of vectors per step that chose each entry.
      sums: average sum of these vectors.
    """

    entries: Float[Array, "l v d"]
    counts: Float[Array, "l v"]
    sums: Float[Array, "l v d"]


@struct
class Quantized:
    """Vectors through the quantiser.

    Attributes:
      codes: the entry chosen at each level.
      residuals: what each level was given to quantise.
      chosen: the entries themselves.
    """

    codes: Int[Array, "k l"]
    residuals: Float[Array, "l k d"]
    chosen: Float[Array, "l k d"]

    def above(self, level: int) -> "Quantized":
        """Returns the levels from `level` on."""
        return Quantized(
            codes=self.codes[:, level:],
            residuals=self.residuals[level:],
            chosen=self.chosen[level:],
        )


@struct
class Passed:
    """What goes on from the quantiser in training.

    Attributes:
      quantized: the vectors at every level.
      vectors: the sum of the chosen entries, with the gradient of the inputs.
      commitment: mean square distance of residuals to their entries, as constants.
    """

    quantized: Quantized
    vectors: Float[Array, "k d"]
    commitment: Float[Array, ""]


def init_statistics(levels: int, size: int, width: int) -> CodebookStatistics:
    """Returns empty codebooks; the first update draws every entry from its batch."""
    return CodebookStatistics(
        entries=jnp.zeros((levels, size, width)),
        counts=jnp.zeros((levels, size)),
        sums=jnp.zeros((levels, size, width)),
    )


def quantize(entries: Float[Array, "l v d"], vectors: Float[Array, "k d"]) -> Quantized:
    """Chooses at each level the entry nearest to what is left over."""

    def level(
        residual: Float[Array, "k d"], codebook: Float[Array, "v d"]
    ) -> tuple[Float[Array, "k d"], tuple[Array, Array, Array]]:
        codes = nearest(codebook, residual)
        chosen = codebook[codes]
        return residual - chosen, (codes, residual, chosen)

    _, (codes, residuals, chosen) = jax.lax.scan(level, vectors, entries)
    return Quantized(codes=codes.T, residuals=residuals, chosen=chosen)


def dequantize(
    entries: Float[Array, "l v d"], codes: Int[Array, "b f levels"]
) -> Float[Array, "b f d"]:
    """Returns the sum of the entries of the first `levels` levels."""
    levels = codes.shape[-1]
    chosen = jax.vmap(lambda book, ids: book[ids], (0, -1))(entries[:levels], codes)
    return jnp.sum(chosen, axis=0)


def start(
    statistics: CodebookStatistics,
    vectors: Float[Array, "k d"],
    key: Key[Array, ""],
    iterations: int,
) -> CodebookStatistics:
    """Returns codebooks of residual k-means where they are empty, else as they are.

    So the first batch is quantised with entries of its own (SoundStream, section
    III.C); each entry counts as if the vectors fell evenly on all.
    """
    levels, size, _ = statistics.entries.shape
    count = vectors.shape[0]

    def fitted() -> CodebookStatistics:
        points = jnp.tile(vectors, (-(-size // count), 1))
        entries = clustering.fit_residual(key, points, levels, size, iterations)
        counts = jnp.full((levels, size), max(count / size, 1.0))
        return CodebookStatistics(
            entries=entries, counts=counts, sums=entries * counts[..., None]
        )

    empty = jnp.all(statistics.counts == 0)
    return jax.lax.cond(empty, fitted, lambda: statistics)


def levels_used(
    key: Key[Array, ""],
    shape: tuple[int, int],
    levels: int,
    dropout: float,
    least: int = 1,
) -> Float[Array, "k l"]:
    """Returns 1 for the levels each vector goes through (quantiser dropout).

    Args:
      key: chooses clips and levels.
      shape: clips, and frames of each; vectors lie clip after clip.
      levels: of the quantiser.
      dropout: share of clips of which only the first `least` to `levels` are used.
      least: levels that dropout leaves at least.
    """
    clips, frames = shape
    first, second = jax.random.split(key)
    few = jax.random.randint(first, (clips,), least, levels + 1)
    drop = jax.random.uniform(second, (clips,)) < dropout
    count = jnp.where(drop, few, levels)
    used = jnp.arange(levels)[None, :] < count[:, None]
    return jnp.repeat(used.astype(jnp.float32), frames, axis=0)


def pass_through(
    entries: Float[Array, "l v d"],
    vectors: Float[Array, "k d"],
    used: Float[Array, "k l"],
) -> Passed:
    """Quantises vectors so that gradients reach what made them.

    Args:
      entries: the codebooks.
      vectors: what the encoder made.
      used: 0 leaves a level out of a vector's sum, and of its commitment.
    """
    fixed = jax.lax.stop_gradient(vectors)
    quantized = quantize(entries, fixed)
    residuals = quantized.residuals + (vectors - fixed)[None]
    summed = jnp.einsum("lkd,kl->kd", quantized.chosen, used)
    return Passed(
        quantized=quantized,
        vectors=straight_through(vectors, summed),
        commitment=commitment(residuals, quantized.chosen, used),
    )


def commitment(
    residuals: Float[Array, "l k d"],
    chosen: Float[Array, "l k d"],
    weights: Float[Array, "k l"],
) -> Float[Array, ""]:
    """Returns the mean square distance of residuals to their entries, as constants.

    Weighted so that left-out levels (quantiser dropout) count nothing.
    """
    squared = jnp.mean(jnp.square(residuals - jax.lax.stop_gradient(chosen)), axis=-1)
    return jnp.sum(squared * weights.T) / jnp.maximum(jnp.sum(weights), 1.0)


def straight_through(
    vectors: Float[Array, "k d"], quantized: Float[Array, "k d"]
) -> Float[Array, "k d"]:
    """Returns `quantized`, whose gradient passes to `vectors` as it is."""
    return vectors + jax.lax.stop_gradient(quantized - vectors)


def nearest(
    codebook: Float[Array, "v d"], vectors: Float[Array, "k d"]
) -> Int[Array, " k"]:
    """Returns the index of the entry at the least Euclidean distance."""
    half_norms = 0.5 * jnp.sum(jnp.square(codebook), axis=-1)
    return reductions.largest(vectors @ codebook.T - half_norms[None, :])


def update(
    statistics: CodebookStatistics,
    quantized: Quantized,
    weights: Float[Array, "k l"],
    key: Key[Array, ""],
    *,
    decay: float,
    dead_below: float,
) -> CodebookStatistics:
    """Moves each entry towards the mean of its vectors; draws dead ones anew.

    Args:
      statistics: before the step.
      quantized: this step's vectors at every level.
      weights: 0 leaves a vector out at a level (quantiser dropout).
      key: chooses which vectors become new entries.
      decay: of the moving averages.
      dead_below: entries with a smaller average count are drawn anew.
    """
    size = statistics.entries.shape[1]
    hits = jax.nn.one_hot(quantized.codes, size) * weights[..., None]
    counts = jnp.sum(hits, axis=0)
    sums = jnp.einsum("klv,lkd->lvd", hits, quantized.residuals)
    counts = decay * statistics.counts + (1 - decay) * counts
    sums = decay * statistics.sums + (1 - decay) * sums
    dead = counts < dead_below
    fresh = _draw(quantized.residuals, size, key)
    counts = jnp.where(dead, 1.0, counts)
    sums = jnp.where(dead[..., None], fresh, sums)
    return CodebookStatistics(
        entries=sums / counts[..., None], counts=counts, sums=sums
    )


def perplexity(counts: Float[Array, "l v"]) -> Float[Array, " l"]:
    """Returns e to the entropy of each level's use: `v` when all are equally used."""
    shares = counts / jnp.maximum(jnp.sum(counts, axis=-1, keepdims=True), 1e-9)
    logs = jnp.log(jnp.maximum(shares, 1e-12))
    return jnp.exp(-jnp.sum(shares * logs, axis=-1))


def _draw(
    residuals: Float[Array, "l k d"], size: int, key: Key[Array, ""]
) -> Float[Array, "l v d"]:
    """Returns `size` vectors of each level, drawn from its own."""
    levels, count, _ = residuals.shape
    keys = jax.random.split(key, levels)
    rows = jax.vmap(
        lambda k: jax.random.permutation(k, count)[jnp.arange(size) % count]
    )(keys)
    return jnp.take_along_axis(residuals, rows[..., None], axis=1)
