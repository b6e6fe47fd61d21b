"""The kernels that attend over a whole sequence, behind one interface.

| name | runs on | what it is |
|---|---|---|
| `einsum` | all | `attention.attend`: scores in memory, in pieces |
| `xla` | all | `jax.nn.dot_product_attention`, left to XLA |
| `cudnn` | NVIDIA GPUs, bfloat16 | the same through cuDNN's flash attention |
| `splash` | TPUs; `einsum` elsewhere | a Pallas kernel that skips what a mask hides |

The last two keep scores on the chip. All give the same result up to rounding.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.pallas.ops.tpu import splash_attention
from jaxtyping import Array, Bool

from musicrl_jax.core import errors, sharding
from musicrl_jax.nn import attention

BLOCK = 128
LARGEST_BLOCK = 512
"""Splash attention takes sequences in blocks of a multiple of `BLOCK` places."""

PIECE = 128
"""Scores in memory are made for at most so many steps at a time."""


class Piece(NamedTuple):
    """Places from `start` to `end`, which see the prefix and places from `reach` on."""

    start: int
    end: int
    reach: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrefixWindow:
    """What each place sees: `prefix` places, then `steps` causal ones.

    The prefix sees itself in both directions and nothing else. A step sees the whole
    prefix, itself and the `window - 1` steps before it.
    """

    prefix: int
    steps: int
    window: int

    def __post_init__(self) -> None:
        if min(self.prefix, self.steps) < 0 or self.window < 1:
            raise errors.InputError(
                "A mask needs a window of at least 1 and no negative lengths; got "
                f"{self}. Set window_frames to 1 or more."
            )

    def array(self) -> Bool[np.ndarray, "t t"]:
        """Returns whether a place (row) sees another."""
        place = np.arange(self.prefix + self.steps)
        query, key = place[:, None], place[None, :]
        near = (key <= query) & (query - key < self.window) & (query >= self.prefix)
        return (key < self.prefix) | near

    def pieces(self) -> list[Piece]:
        """Returns the sequence in equal pieces of at most `PIECE` steps.

        The first one has the prefix, too. None sees what lies between the prefix and
        its own reach, nor what comes behind it.
        """
        count = max(1, -(-self.steps // PIECE))
        ends = [self.prefix + self.steps * (i + 1) // count for i in range(count)]
        starts = [0, *ends[:-1]]
        reach = [max(self.prefix, start - self.window + 1) for start in starts]
        return [Piece(*each) for each in zip(starts, ends, reach, strict=True)]


Mask = PrefixWindow | Bool[Array, "#b t s"] | None
"""What each place sees; None for all."""


def attend(
    kernel: str,
    queries: attention.Heads,
    keys: attention.Heads,
    values: attention.Heads,
    mask: Mask,
) -> attention.Heads:
    """Returns softmax(q k / sqrt(e)) v of a whole sequence, the softmax in float32.

    Args:
      kernel: one of `KERNELS`.
      queries: of each place, as the keys and values.
      keys: see above.
      values: see above.
      mask: what each place sees.
    """
    return KERNELS[kernel](queries, keys, values, mask)


def einsum(
    queries: attention.Heads,
    keys: attention.Heads,
    values: attention.Heads,
    mask: Mask,
) -> attention.Heads:
    """Attends with scores in memory, and without most of those that a mask hides."""
    if not isinstance(mask, PrefixWindow):
        return attention.attend(queries, keys, values, mask)
    seen = mask.array()
    mixed = []
    for start, end, reach in mask.pieces():
        places = np.r_[: mask.prefix, reach:end]
        mixed.append(
            attention.attend(
                queries[:, :, start:end],
                _near(keys, mask.prefix, reach, end),
                _near(values, mask.prefix, reach, end),
                jnp.asarray(seen[start:end, places])[None],
            )
        )
    return jnp.concatenate(mixed, axis=2)


def dot_product(
    queries: attention.Heads,
    keys: attention.Heads,
    values: attention.Heads,
    mask: Mask,
    *,
    implementation: Literal["xla", "cudnn"],
) -> attention.Heads:
    """Attends as JAX does, by the implementation of that name."""
    seen = _shown(mask)
    out = jax.nn.dot_product_attention(
        *(x.swapaxes(1, 2) for x in (queries, keys, values)),
        mask=None if seen is None else seen[:, None],
        implementation=implementation,
    )
    return out.swapaxes(1, 2)


def splash(
    queries: attention.Heads,
    keys: attention.Heads,
    values: attention.Heads,
    mask: PrefixWindow | None,
    *,
    interpret: bool = False,
) -> attention.Heads:
    """Attends with splash attention, each device over its own clips and heads.

    `interpret` runs the kernel's steps one by one where there is no TPU, for tests.
    """
    run = functools.partial(_splash_of_a_device, mask=mask, interpret=interpret)
    return sharding.on_each_device(run, ("clips", "heads", None, None))(
        queries, keys, values
    )


def _near(x: attention.Heads, prefix: int, reach: int, end: int) -> attention.Seen:
    """Returns the places of the prefix and those from `reach` to `end`."""
    if reach == prefix:
        return x[:, :, :end]
    return jnp.concatenate([x[:, :, :prefix], x[:, :, reach:end]], axis=2)


def _shown(mask: Mask) -> Bool[Array, "#b t s"] | None:
    """Returns the mask as an array."""
    if isinstance(mask, PrefixWindow):
        return jnp.asarray(mask.array())[None]
    return mask


def _splash_of_a_device(
    queries: attention.Heads,
    keys: attention.Heads,
    values: attention.Heads,
    *,
    mask: PrefixWindow | None,
    interpret: bool,
) -> attention.Heads:
    heads, length, width = queries.shape[1:]
    fill = -length % BLOCK
    kernel = splash_attention.make_splash_mha_single_device(
        _splash_masks(mask, length, fill, heads),
        block_sizes=_splash_blocks(length + fill),
        interpret=interpret,
    )
    queries = queries * np.asarray(width**-0.5, queries.dtype)
    filled = (
        jnp.pad(x, ((0, 0), (0, 0), (0, fill), (0, 0))) for x in (queries, keys, values)
    )
    return cast(Array, jax.vmap(kernel)(*filled))[:, :, :length]


def _splash_blocks(length: int) -> splash_attention.BlockSizes:
    """Returns the largest blocks that divide the sequence."""
    parts = range(BLOCK, LARGEST_BLOCK + 1, BLOCK)
    block = max(size for size in parts if length % size == 0)
    return splash_attention.BlockSizes(
        block_q=block,
        block_kv=block,
        block_q_dkv=block,
        block_kv_dkv=block,
        block_q_dq=block,
        block_kv_dq=block,
    )


def _splash_masks(
    mask: PrefixWindow | None, length: int, fill: int, heads: int
) -> splash_attention.MultiHeadMask:
    seen = np.ones((length, length), bool) if mask is None else mask.array()
    # A place of the filling sees itself, so that its sum of weights is not 0.
    seen = np.pad(seen, ((0, fill), (0, fill))) | np.eye(length + fill, dtype=bool)
    return splash_attention.MultiHeadMask([splash_attention.NumpyMask(seen)] * heads)


def _splash_on_tpu(
    queries: attention.Heads,
    keys: attention.Heads,
    values: attention.Heads,
    mask: Mask,
) -> attention.Heads:
    """Attends with `splash` in programs for TPUs and with `einsum` in others.

    `einsum` also takes masks that depend on the clips: splash plans its blocks ahead.
    """
    if not isinstance(mask, PrefixWindow | None):
        return einsum(queries, keys, values, mask)
    return jax.lax.platform_dependent(
        queries,
        keys,
        values,
        tpu=functools.partial(splash, mask=mask),
        default=functools.partial(einsum, mask=mask),
    )


def _cudnn(
    queries: attention.Heads,
    keys: attention.Heads,
    values: attention.Heads,
    mask: Mask,
) -> attention.Heads:
    """Attends with cuDNN.

    Raises:
      InputError: there is no cuDNN, or it does not take these arrays.
    """
    try:
        return dot_product(queries, keys, values, mask, implementation="cudnn")
    except (RuntimeError, NotImplementedError, ValueError) as error:
        raise errors.InputError(
            "Attention 'cudnn' needs an NVIDIA GPU, cuDNN and bfloat16; it said: "
            f"{str(error).splitlines()[0]} Set the network's attention to 'xla'."
        ) from error


KERNELS: dict[str, Callable[..., attention.Heads]] = {
    "einsum": einsum,
    "xla": functools.partial(dot_product, implementation="xla"),
    "cudnn": _cudnn,
    "splash": _splash_on_tpu,
}
