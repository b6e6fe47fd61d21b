"""Captions to collect preferences for: of training and held out, mixed."""

import dataclasses
import pathlib

import numpy as np

from musicrl_jax.core import errors
from musicrl_jax.data import captions
from musicrl_jax.evaluation import prompts
from musicrl_jax.runs import system


@dataclasses.dataclass(frozen=True, kw_only=True)
class Captions:
    """Captions in the order in which pairs are made.

    Attributes:
      texts: of the captions.
      held_out: how many of them are held-out prompts.
    """

    texts: tuple[str, ...]
    held_out: int


def choose(networks: str, count: int, held_out_share: float, seed: int) -> Captions:
    """Returns captions of a folder of networks, in random order.

    Held-out prompts are taken from the end of their file; judges of policies take
    them from its beginning.

    Args:
      networks: the folder; empty for the starter.
      count: captions in all; those of training repeat when all are used.
      held_out_share: of them, 0 to 1.
      seed: of the choice.

    Raises:
      InputError: where files are missing, or the held-out prompts too few.
    """
    folder = system.networks_directory(networks)
    held_out = round(count * held_out_share)
    chosen = _held_out(folder, held_out) if held_out else []
    if rest := count - held_out:
        file = captions.CaptionFile(folder / system.TRAIN_CAPTIONS)
        numbers = captions.prompt_indices(
            seed=seed, actor=0, seq=0, count=rest, size=len(file)
        )
        chosen += [file[int(number)] for number in numbers]
    order = np.random.default_rng([seed, 2]).permutation(len(chosen))
    return Captions(texts=tuple(chosen[place] for place in order), held_out=held_out)


def _held_out(folder: pathlib.Path, count: int) -> list[str]:
    path = folder / system.HELD_OUT_PROMPTS
    found = prompts.read_prompts(path)
    if len(found) < count:
        raise errors.InputError(
            f"{count} held-out captions are asked for; {path} has {len(found)}. Lower "
            "held_out_share or captions."
        )
    return [prompt.text for prompt in found[len(found) - count :]]
