"""Rewards of your own: classes that `RewardConfig.extra` names, with their weights.

    RewardConfig.extra = ('my_rewards:Quiet=0.5',)

The module lies in the current folder or is installed. Its class is made without
arguments and has the one method of `core.protocols.Reward`; its scores are kept under
the name of the class. What its code raises is told with file and line.
"""

import contextlib
import dataclasses
import hashlib
import importlib
import inspect
import math
import pathlib
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from musicrl_jax.core import errors, protocols
from musicrl_jax.rewards import combine, loudness, preference, quality

TAKEN = (
    "total",
    "text_adherence",
    loudness.NAME,
    preference.NAME,
    preference.SIMULATED_NAME,
    quality.NAME,
    quality.SIMULATED_NAME,
)
"""Names of scores that are there without a reward of your own."""


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

    @property
    def place(self) -> str:
        """Module and class, for messages."""
        return f"{self.module}:{self.name}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guarded:
    """A reward of your own; a fault in it is an InputError that says where it is."""

    place: str
    reward: protocols.Reward

    def __call__(
        self,
        captions: Sequence[str],
        waveform: Float[np.ndarray, "b n"],
        tokens: Int[np.ndarray, "b f q"],
    ) -> Mapping[str, Float[np.ndarray, " b"]]:
        """Returns the reward's scores.

        Raises:
          InputError: where it raises, or returns other than a number for each clip.
        """
        with _blaming(f"Reward {self.place} must score clips"):
            found = self.reward(captions, waveform, tokens)
        return combine.checked(self.place, found, len(captions))


def check_names(texts: Sequence[str]) -> None:
    """Raises InputError where two scores of a run would have one name."""
    names = [parse(text).name for text in texts]
    for name in names:
        if name in TAKEN or names.count(name) > 1:
            raise errors.InputError(
                f"Scores are kept under the names of rewards' classes; {name} is taken "
                "already. Give the class of RewardConfig.extra another name."
            )


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
        combine.Part(
            name=own.name,
            reward=Guarded(place=own.place, reward=load(own)),
            weight=own.weight,
        )
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
      InputError: where the module or the class is missing or raises, or the class
        cannot be made without arguments or called with captions, waveform and tokens.
    """
    made = getattr(_module(own.module), own.name, None)
    if not isinstance(made, type):
        raise errors.InputError(
            f"RewardConfig.extra names {own.place}; {own.module} has no class "
            f"{own.name}. Correct the name."
        )
    with _refusing(own.place):
        inspect.signature(made).bind()
    with _blaming(f"Reward {own.place} must be made without arguments"):
        reward = made()
    with _refusing(own.place):
        inspect.signature(reward).bind((), None, None)
    return reward


@contextlib.contextmanager
def _refusing(place: str) -> Iterator[None]:
    """Makes the errors of a signature that does not fit an InputError."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise errors.InputError(
            f"{place} must be made without arguments and called with captions, "
            f"waveform and tokens, as core.protocols.Reward; {errors.reason(error)}."
        ) from error


def _module(name: str) -> object:
    here = str(pathlib.Path.cwd())
    if here not in sys.path:  # the last place to look in, so that it hides nothing
        sys.path.append(here)
    with _blaming(f"Module {name} of RewardConfig.extra must import"):
        try:
            return importlib.import_module(name)
        except (ImportError, SyntaxError) as error:
            raise errors.InputError(
                f"RewardConfig.extra names the module {name}, which cannot be "
                f"imported: {errors.reason(error)}. Start in its folder, or install it."
            ) from error


@contextlib.contextmanager
def _blaming(rule: str) -> Iterator[None]:
    """Makes whatever somebody's code raises an InputError that says where."""
    try:
        yield
    except errors.MusicRLError:
        raise
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise errors.InputError(
            f"{rule}; it raised {text} ({_line(error)}). Mend it there."
        ) from error


def _line(error: Exception) -> str:
    """Returns file and line of a fault: the innermost of the first file called."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    own = [frame for frame in frames if frame.filename == frames[0].filename]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else "no line known"
