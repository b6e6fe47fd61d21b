"""Who compares which clips: the blind tasks of a rater study (paper, section 4.3).

All pairs of models are compared on all prompts, each comparison by several raters. A
task is one rater's comparison; its id and the names of its clips say nothing of the
models.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int

from musicrl_jax.core import errors

INSTRUCTIONS = """\
Each task has a text prompt and two clips of music that were made for it. Listen to
both clips to the end, as often as you like, then rate each of them from 1 to 5:

  1 bad   2 poor   3 fair   4 good   5 excellent

One number a clip stands for three things together: how well it adheres to the text
prompt, its acoustic quality, and its overall appeal. Equal ratings are allowed.

Write the first clip's rating under score_first and the second's under score_second of
that task. Do the tasks in their order, with headphones, and alone.
"""
_DIGITS = 8
_LETTER = "t"
"""Begins each id: spreadsheets rewrite 30937e03 and 01467976 as numbers."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Design:
    """What a study compares.

    Attributes:
      models: their names, baselines first.
      prompts: the texts, in the order of each model's clips.
      raters: how many people share the work.
      raters_per_comparison: different raters of each pair of clips (the paper has 3).
      seed: of assignment, sides, order and names; who knows it can undo the blinding.
    """

    models: tuple[str, ...]
    prompts: tuple[str, ...]
    raters: int = 12
    raters_per_comparison: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        named = {name for name in self.models if name.strip()}
        if len(self.models) < 2 or len(named) < len(self.models):
            raise errors.InputError(
                "A study compares two models or more of different names; got "
                f"{', '.join(map(repr, self.models)) or 'none'}. Name each once."
            )
        if not self.prompts:
            raise errors.InputError("A study needs prompts; got none. Give some.")
        if not 1 <= self.raters_per_comparison <= self.raters:
            raise errors.InputError(
                "Each comparison needs 1 to all of the raters; got "
                f"{self.raters_per_comparison} of {self.raters}. Change either."
            )

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All pairs (a, b); b is named before a, so that baselines stand second."""
        found = itertools.combinations(self.models, 2)
        return tuple((later, earlier) for earlier, later in found)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One rater's comparison of two clips, with what the rater must not know.

    Attributes:
      task: opaque id.
      rater: to whom it is assigned.
      prompt: number of the prompt.
      first: the model whose clip comes first.
      second: the other model.
    """

    task: str
    rater: str
    prompt: int
    first: str
    second: str


def make_tasks(design: Design) -> tuple[Task, ...]:
    """Returns all tasks, rater by rater in the order in which they are to be done.

    To within one: raters have as many tasks, in all and of each pair of models, and of
    a rater's tasks of a pair each model comes first in half.
    """
    generator = np.random.default_rng((design.seed, 1))
    raters = [f"rater_{number + 1:02d}" for number in range(design.raters)]
    drafts: list[list[tuple[int, str, str]]] = [[] for _ in raters]
    extra_swap = False
    for (one, other), assigned in zip(
        design.pairs, _assignments(design, generator), strict=True
    ):
        for rater in generator.permutation(design.raters):
            prompts = np.flatnonzero(np.any(assigned == rater, axis=1))
            swaps = _balanced(len(prompts), extra_swap, generator)
            extra_swap ^= bool(len(prompts) % 2)
            for prompt, swap in zip(prompts, swaps, strict=True):
                sides = (other, one) if swap else (one, other)
                drafts[rater].append((int(prompt), *sides))
    for some in drafts:
        generator.shuffle(some)
    return tuple(_numbered(design, dict(zip(raters, drafts, strict=True))))


def clip_names(design: Design) -> Mapping[tuple[str, int], str]:
    """Returns an opaque file name for the clip of each (model, prompt)."""
    clips = list(itertools.product(design.models, range(len(design.prompts))))
    ids = _opaque_ids(len(clips), np.random.default_rng((design.seed, 2)))
    return dict(zip(clips, (f"{name}.wav" for name in ids), strict=True))


def _assignments(
    design: Design, generator: np.random.Generator
) -> Iterator[Int[np.ndarray, "prompts raters"]]:
    """Yields for each pair of models the raters of each prompt.

    Those with the fewest tasks of the pair, then in all, are next, in random order.
    """
    in_all = np.zeros(design.raters, np.int64)
    for _ in design.pairs:
        of_pair = np.zeros(design.raters, np.int64)
        chosen = np.zeros((len(design.prompts), design.raters_per_comparison), int)
        for prompt in generator.permutation(len(design.prompts)):
            order = np.lexsort((generator.random(design.raters), in_all, of_pair))
            chosen[prompt] = order[: design.raters_per_comparison]
            of_pair[chosen[prompt]] += 1
            in_all[chosen[prompt]] += 1
        yield chosen


def _balanced(
    count: int, extra: bool, generator: np.random.Generator
) -> Bool[np.ndarray, " count"]:
    """Returns flags in random order, half of them set; an odd one is `extra`."""
    flags = np.arange(count) < count // 2 + (count % 2) * extra
    return generator.permutation(flags)


def _numbered(
    design: Design, drafts: Mapping[str, Sequence[tuple[int, str, str]]]
) -> Iterator[Task]:
    count = sum(len(some) for some in drafts.values())
    ids = iter(_opaque_ids(count, np.random.default_rng((design.seed, 3))))
    for rater, some in drafts.items():
        for prompt, first, second in some:
            yield Task(
                task=next(ids), rater=rater, prompt=prompt, first=first, second=second
            )


def _opaque_ids(count: int, generator: np.random.Generator) -> list[str]:
    """Returns different names, no numbers, that say nothing of their order."""
    numbers = generator.choice(16**_DIGITS, size=count, replace=False)
    return [f"{_LETTER}{number:0{_DIGITS}x}" for number in numbers]
