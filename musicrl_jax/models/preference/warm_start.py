"""The model's beginning: MusicLM's trunk (paper, section 3.3).

From scratch, the paper found its preference model no better than chance.
"""

import jax

from musicrl_jax.core import arrays, errors

TRUNK = ("temporal", "depth")


def with_trunk(params: arrays.Params, policy_params: arrays.Params) -> arrays.Params:
    """Returns `params` with both transformers of a MusicLM checkpoint.

    Raises:
      InputError: where `policy_params` is not a tree of MusicLM of the same sizes.
    """
    found = {name: policy_params.get(name) for name in TRUNK}
    wanted = {name: params[name] for name in TRUNK}
    if jax.tree.map(lambda x: x.shape, found) != jax.tree.map(
        lambda x: x.shape, wanted
    ):
        raise errors.InputError(
            "The preference model starts from a MusicLM checkpoint whose transformers "
            f"have its own sizes; got a tree with {sorted(policy_params)}. Pass the "
            "weights that the model's sizes were read from."
        )
    return dict(params) | found
