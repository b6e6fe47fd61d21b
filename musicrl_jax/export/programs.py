"""The serving programs: StableHLO with a symbolic batch, for CPUs, GPUs and TPUs.

Parameters are arguments and not constants: each network's are one flat mapping from
"/"-joined names to arrays, as its safetensors files hold them.
"""

import dataclasses
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax import export
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import arrays, errors, protocols
from musicrl_jax.sampling import loop, renderer

PLATFORMS = ("cpu", "cuda", "tpu")
POLICY, EMBEDDER, CODEC, FINE = "policy", "mulan_text", "codec", "fine"

Flat = Mapping[str, Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Programs:
    """What is exported: the networks without parameters, and fixed sizes.

    Attributes:
      policy: conditioning tokens to clip tokens.
      embedder: captions' ids to conditioning tokens.
      renderer: clip tokens to waveform, with the fine stage where there is one.
      params: shapes and dtypes of each network's parameters, by `POLICY`,
        `EMBEDDER`, `CODEC` and, where the renderer has one, `FINE`.
      num_frames: length of the clips.
      text_width: ids of a caption.
    """

    policy: protocols.Policy
    embedder: protocols.JointEmbedder
    renderer: renderer.Renderer
    params: Mapping[str, arrays.Params]
    num_frames: int
    text_width: int

    def __post_init__(self) -> None:
        if self.num_frames < 1:
            raise errors.InputError(
                f"A clip needs a frame; got {self.num_frames}. Export longer clips."
            )

    def sampler(self) -> export.Exported:
        """Returns the sampler alone.

        Its arguments: the policy's parameters, conditioning int32 `[b, k]`, keys `[b]`,
        temperature float32. It returns "tokens" int32 `[b, f, q]` and "log_probs".
        """
        (clips,) = export.symbolic_shape("b")
        ids = _array((1, self.text_width), jnp.int32)
        given = jax.eval_shape(self._condition, _flat(self.params[EMBEDDER]), ids)

        def sample(
            params: Flat,
            conditioning: Int[Array, "b k"],
            keys: Key[Array, " b"],
            temperature: Float[Array, ""],
        ) -> dict[str, Array]:
            made = self._sample(params, conditioning, keys, temperature)
            return {"tokens": made.tokens, "log_probs": made.log_probs}

        conditioning = _array((clips, given.shape[1]), jnp.int32)
        policy = _flat(self.params[POLICY])
        return _exported(sample, policy, conditioning, *_draws(clips))

    def music(self) -> export.Exported:
        """Returns the whole chain.

        Its arguments: the parameters of all networks by name, text ids int32 `[b, w]`,
        keys `[b]`, temperature float32. It returns "tokens" int32 `[b, f, q]` and
        "waveform" float32 `[b, n]` in [-1, 1].
        """
        (clips,) = export.symbolic_shape("b")

        def music(
            params: Mapping[str, Flat],
            ids: Int[Array, "b w"],
            keys: Key[Array, " b"],
            temperature: Float[Array, ""],
        ) -> dict[str, Array]:
            conditioning = self._condition(params[EMBEDDER], ids)
            made = self._sample(params[POLICY], conditioning, keys, temperature)
            fine = self._rebuilt(FINE, params[FINE]) if FINE in params else None
            codec = self._rebuilt(CODEC, params[CODEC])
            waveform = self.renderer(codec, made.tokens, fine)
            return {"tokens": made.tokens, "waveform": waveform}

        params = {name: _flat(tree) for name, tree in self.params.items()}
        ids = _array((clips, self.text_width), jnp.int32)
        return _exported(music, params, ids, *_draws(clips))

    def _condition(self, params: Flat, ids: Int[Array, "b w"]) -> Int[Array, "b k"]:
        tree = self._rebuilt(EMBEDDER, params)
        codes = self.embedder.quantize(tree, self.embedder.embed_text(tree, ids))
        return codes.astype(jnp.int32)

    def _sample(
        self,
        params: Flat,
        conditioning: Int[Array, "b k"],
        keys: Key[Array, " b"],
        temperature: Float[Array, ""],
    ) -> arrays.Tree:
        tree = self._rebuilt(POLICY, params)
        return loop.sample(
            self.policy, tree, conditioning, keys, self.num_frames, temperature
        )

    def _rebuilt(self, name: str, params: Flat) -> arrays.Params:
        """Returns the tree that a flat mapping stands for."""
        expected = self.params[name]
        leaves = [params[leaf] for leaf in weights.named_leaves(expected)]
        return jax.tree.unflatten(jax.tree.structure(expected), leaves)


def _exported(
    function: Callable[..., dict[str, Array]], *specs: arrays.Tree
) -> export.Exported:
    return export.export(jax.jit(function), platforms=PLATFORMS)(*specs)


def _flat(params: arrays.Params) -> dict[str, jax.ShapeDtypeStruct]:
    return {
        name: _array(leaf.shape, leaf.dtype)
        for name, leaf in weights.named_leaves(params).items()
    }


def _draws(clips: arrays.Tree) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    """Returns the specifications of keys and temperature."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    return _array((clips,), key.dtype), _array((), jnp.float32)


def _array(shape: arrays.Tree, dtype: arrays.Tree) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(tuple(shape), dtype)
