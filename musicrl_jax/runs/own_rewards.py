"""Rewards of your own: classes that `RewardConfig.extra` names, with their weights.

    RewardConfig.extra = ('my_rewards:Quiet=0.5',)

The module lies in the current folder or is installed. Its class is made without
arguments and has the one method of `core.protocols.Reward`; its scores are kept under
the name of the class.
"""

import dataclasses
import hashlib
import importlib
import inspect
import math
import pathlib
import sys
from collections.abc import Sequence

from musicrl_jax.core import errors, protocols
from musicrl_jax.rewards import combine


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnReward:
    """One entry of `RewardConfig.extra`.

    Attributes:
      module: where the class is.
      name: of the class.
      weight: in the sum; one of weight 0 is measured by the evaluator alone.
    """

    module: str
    name: str
    weight: float


def parse(text: str) -> OwnReward:
    """Returns what 'module:Class=weight' says; without a weight it is 1.

    Raises:
      InputError: where the text says something else.
    """
    place, _, weight = (part.strip() for part in text.partition("="))
    module, _, name = place.partition(":")
    try:
        number = float(weight or 1.0)
    except ValueError:
        number = math.nan
    named = all(part.isidentifier() for part in (*module.split("."), name))
    if not named or not math.isfinite(number):
        raise errors.InputError(
            f"A reward of your own reads 'module:Class=weight'; got {text!r}. Set "
            "RewardConfig.extra, for example to ('my_rewards:Quiet=0.5',)."
        )
    return OwnReward(module=module, name=name, weight=number)


def make_parts(texts: Sequence[str], *, watch: bool) -> list[combine.Part]:
    """Returns the terms of a sum; those of weight 0 only where `watch`.

    Raises:
      InputError: where a module, a class or its method is missing.
    """
    wanted = [own for own in map(parse, texts) if own.weight or watch]
    return [
        combine.Part(name=own.name, reward=load(own), weight=own.weight)
        for own in wanted
    ]


def hashes(texts: Sequence[str]) -> dict[str, str]:
    """Returns the SHA-256 of each reward's source file, by the reward's name.

    Raises:
      InputError: as `make_parts`.
    """
    found = {}
    for own in map(parse, texts):
        source = inspect.getsourcefile(type(load(own)))
        data = pathlib.Path(source).read_bytes() if source else b""
        found[f"reward {own.name}"] = hashlib.sha256(data).hexdigest()
    return found


def load(own: OwnReward) -> protocols.Reward:
    """Imports the module and makes the reward.

    Raises:
      InputError: where the module or the class is missing, or the class cannot be made
        without arguments or called with captions, waveform and tokens.
    """
    place = f"{own.module}:{own.name}"
    made = getattr(_module(own.module), own.name, None)
    if not isinstance(made, type):
        raise errors.InputError(
            f"RewardConfig.extra names {place}; {own.module} has no class {own.name}. "
            "Correct the name."
        )
    try:
        inspect.signature(made).bind()
        reward = made()
        inspect.signature(reward).bind((), None, None)
    except (TypeError, ValueError) as error:
        raise errors.InputError(
            f"{place} must be made without arguments and called with captions, "
            f"waveform and tokens, as core.protocols.Reward; {errors.reason(error)}."
        ) from error
    return reward


def _module(name: str) -> object:
    here = str(pathlib.Path.cwd())
    if here not in sys.path:  # the last place to look in, so that it hides nothing
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except (ImportError, SyntaxError) as error:
        raise errors.InputError(
            f"RewardConfig.extra names the module {name}, which cannot be imported: "
            f"{errors.reason(error)}. Start in its folder, or install it."
        ) from error
