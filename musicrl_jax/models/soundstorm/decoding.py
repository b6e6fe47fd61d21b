"""Parallel decoding: level after level, the surest places first."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from musicrl_jax.core import arrays
from musicrl_jax.core.struct import struct
from musicrl_jax.models.soundstorm import config as configs
from musicrl_jax.models.soundstorm import masking
from musicrl_jax.nn import reductions

LogitsOf = Callable[
    [Int[Array, "b f l"], Bool[Array, "b f l"], Int[Array, " b"]],
    Float[Array, "b f v"],
]
"""(codes, which are known, the level asked for) -> logits of that level."""


@struct
class Pass:
    """One pass of the network, or (with a leading axis) all of them.

    Attributes:
      level: the level that it fills.
      first: whether it is the level's first, before which all its places are hidden.
      count: places of each clip that it fills.
      temperature: of the draw of codes; 0 takes the likeliest.
      noise: on the ranking of places.
    """

    level: Int[Array, "*p"]
    first: Bool[Array, "*p"]
    count: Int[Array, "*p"]
    temperature: Float[Array, "*p"]
    noise: Float[Array, "*p"]


def plan(
    config: configs.SoundStormConfig, decoding: configs.DecodingConfig, frames: int
) -> Pass:
    """Returns the passes over clips of `frames` frames, in order."""
    rows: list[tuple[int, bool, int, float, float]] = []
    for fine, passes in enumerate(decoding.passes(config.fine_levels)):
        temperature = decoding.temperature if passes > 1 else 0.0
        for i, count in enumerate(masking.schedule(frames, passes)):
            noise = decoding.confidence_noise * (1 - (i + 1) / passes)
            level = config.coarse_levels + fine
            rows.append((level, i == 0, count, temperature, noise))
    level, first, count, temperature, noise = zip(*rows, strict=True)
    return Pass(
        level=jnp.asarray(level),
        first=jnp.asarray(first),
        count=jnp.asarray(count),
        temperature=jnp.asarray(temperature, jnp.float32),
        noise=jnp.asarray(noise, jnp.float32),
    )


def refine(
    logits_of: LogitsOf,
    passes: Pass,
    coarse: Int[Array, "b f c"],
    keys: Key[Array, " b"],
    levels: int,
) -> Int[Array, "b f l"]:
    """Fills the levels above `coarse`, one compiled scan over `passes`.

    Args:
      logits_of: the network with its parameters.
      passes: see `plan`.
      coarse: the given levels, which stay as they are.
      keys: one a clip; what becomes of a clip does not depend on its batch.
      levels: of the codec.
    """
    clips, frames, given = coarse.shape
    codes = jnp.pad(coarse, ((0, 0), (0, 0), (0, levels - given)))
    hidden = jnp.ones((clips, frames), bool)
    numbers = jnp.arange(levels)[None, None]

    def fill(
        carry: tuple[Array, Array], now: tuple[Int[Array, ""], Pass]
    ) -> tuple[tuple[Array, Array], None]:
        codes, hidden = carry
        number, step = now
        hidden = hidden | step.first
        level = jnp.broadcast_to(step.level, (clips,))
        known = masking.known_places(level, hidden, levels)
        drawn, confidence = _choose(logits_of(codes, known, level), keys, number, step)
        surest = masking.ranks(jnp.where(hidden, -confidence, jnp.inf)) < step.count
        filled = surest & hidden
        here = filled[..., None] & (numbers == step.level)
        return (jnp.where(here, drawn[..., None], codes), hidden & ~filled), None

    order = jnp.arange(np.shape(passes.level)[0])
    (codes, _), _ = jax.lax.scan(fill, (codes, hidden), (order, passes))
    return codes


def _choose(
    logits: Float[Array, "b f v"],
    keys: Key[Array, " b"],
    number: Int[Array, ""],
    step: Pass,
) -> tuple[Int[Array, "b f"], Float[Array, "b f"]]:
    """Returns a code for each place, and how sure it is."""
    folded = jax.vmap(lambda key: jax.random.split(jax.random.fold_in(key, number)))(
        keys
    )

    def noise(keys: Key[Array, " b"], *shape: int) -> arrays.Tree:
        return jax.vmap(lambda key: jax.random.gumbel(key, shape))(keys)

    # At temperature 0 nothing is drawn, which saves the time of it.
    draws = jax.lax.cond(
        step.temperature > 0,
        lambda: step.temperature * noise(folded[:, 0], *logits.shape[1:]),
        lambda: jnp.zeros_like(logits),
    )
    codes = reductions.largest(logits + draws)
    log_probs = jax.nn.log_softmax(logits, axis=-1)
    chosen = jnp.take_along_axis(log_probs, codes[..., None], axis=-1)[..., 0]
    return codes, chosen + step.noise * noise(folded[:, 1], logits.shape[1])
