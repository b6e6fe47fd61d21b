"""Says how large each network is, without making it.

Shapes come from `jax.eval_shape`, so the paper's sizes are described on a laptop in a
second.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax

from musicrl_jax.core import arrays, errors
from musicrl_jax.core import layout as layouts
from musicrl_jax.models.codec import adapter as codec
from musicrl_jax.models.codec import config as codec_config
from musicrl_jax.models.mulan import adapter as mulan
from musicrl_jax.models.mulan import config as mulan_config
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.models.musiclm import config as musiclm_config
from musicrl_jax.models.preference import adapter as preference
from musicrl_jax.models.preference import config as preference_config
from musicrl_jax.models.quality import adapter as quality
from musicrl_jax.models.quality import config as quality_config
from musicrl_jax.models.semantic import adapter as semantic
from musicrl_jax.models.semantic import config as semantic_config
from musicrl_jax.models.soundstorm import config as soundstorm_config
from musicrl_jax.models.soundstorm import network as soundstorm
from musicrl_jax.models.soundstream import adapter as soundstream
from musicrl_jax.models.soundstream import config as soundstream_config

Shapes = Callable[[Any], arrays.Params]
"""A network's config -> its parameters as shapes and dtypes."""

_SHAPES: Mapping[type, Shapes] = {
    codec_config.CodecConfig: codec.abstract_params,
    mulan_config.MulanConfig: lambda c: mulan.make_mulan(c).abstract_params(),
    quality_config.QualityConfig: lambda c: quality.make_estimator(c).abstract_params(),
    semantic_config.SemanticConfig: lambda c: semantic.make_semantic(
        c
    ).abstract_params(),
    soundstorm_config.SoundStormConfig: soundstorm.abstract_params,
    soundstream_config.SoundStreamConfig: soundstream.abstract_params,
}


def parameters(
    config: object,
    layout: layouts.TokenLayout | None = None,
    trunk: musiclm_config.MusicLMConfig | None = None,
) -> arrays.Params:
    """Returns the shapes and dtypes of a network's parameters.

    Args:
      config: of the network.
      layout: for MusicLM and the preference model, of their tokens.
      trunk: for the preference model, of the MusicLM that it begins as.

    Raises:
      InputError: where `config` is of no network.
    """
    layout = layout or musiclm_config.make_layout()
    if isinstance(config, musiclm_config.MusicLMConfig):
        return musiclm.make_policy(config, layout).abstract_params()
    if isinstance(config, preference_config.PreferenceConfig):
        trunk = trunk or musiclm_config.MusicLMConfig()
        return preference.make_model(config, trunk, layout).abstract_params()
    shapes = _SHAPES.get(type(config))
    if shapes is None:
        raise errors.InputError(
            "Networks are described from their config; got "
            f"{type(config).__name__}. Pass one of gin/models."
        )
    return shapes(config)


def count(shapes: arrays.Tree) -> int:
    """Returns the numbers in a tree of arrays."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))


def parts(shapes: arrays.Params) -> dict[str, int]:
    """Returns the numbers in each of the tree's top-level parts, largest first."""
    counts = {name: count(tree) for name, tree in shapes.items()}
    return dict(sorted(counts.items(), key=lambda part: -part[1]))
