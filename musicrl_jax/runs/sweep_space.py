"""What a sweep tries: combinations of gin bindings, from a grid or drawn at random."""

import dataclasses
import hashlib
import itertools
import math
import random
import re
from collections.abc import Sequence

from musicrl_jax.core import errors

Bindings = tuple[tuple[str, str], ...]
"""(binding, value as gin writes it) for each binding that a trial sets."""

RANGES = ("log", "uniform", "int")
MAX_TRIALS = 10_000
MAX_NAME = 80


@dataclasses.dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers between two ends, both included.

    Attributes:
      kind: "log" draws logarithms evenly, "uniform" numbers, "int" whole numbers.
      low: the lower end.
      high: the upper end.
    """

    kind: str
    low: float
    high: float

    def draw(self, source: random.Random) -> str:
        """Returns one number, with six digits at most."""
        if self.kind == "int":
            return str(source.randint(int(self.low), int(self.high)))
        if self.kind == "log":
            low, high = math.log(self.low), math.log(self.high)
            return f"{math.exp(source.uniform(low, high)):.6g}"
        return f"{source.uniform(self.low, self.high):.6g}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variation:
    """One binding, such as `LearnerConfig.kl_weight`, and what it may be."""

    binding: str
    values: tuple[str, ...] | Range


def parse(text: str) -> Variation:
    """Reads `LearnerConfig.kl_weight=0.01,0.02` or `...=log:1e-5:1e-3`.

    Raises:
      InputError: it does not read so, or a value comes twice.
    """
    binding, _, choice = (part.strip() for part in text.partition("="))
    values = split_values(choice)
    if not re.fullmatch(r"([\w.]+/)*[A-Za-z_]\w*\.[A-Za-z_]\w*", binding) or (
        "" in values
    ):
        raise errors.InputError(
            f"What varies reads Name.argument=value,value or =log:low:high; got "
            f"{text!r}. Correct --vary."
        )
    if len(values) == 1 and values[0].split(":")[0] in RANGES:
        return Variation(binding=binding, values=parse_range(values[0], text))
    if len(set(values)) < len(values):
        raise errors.InputError(
            f"Each value is tried once; got {text!r}. Remove one from --vary."
        )
    return Variation(binding=binding, values=tuple(values))


def parse_range(choice: str, text: str) -> Range:
    """Reads `log:1e-5:1e-3`, `uniform:0:1` or `int:1:8`; `text` is named in errors.

    Raises:
      InputError: the ends are no numbers, or not in order, or not above 0 for "log".
    """
    kind, *ends = choice.split(":")
    try:
        low, high = (float(end) for end in ends)
    except ValueError:
        low, high = math.nan, math.nan
    sound = math.isfinite(low) and math.isfinite(high) and low < high
    whole = low == round(low) and high == round(high) if sound else False
    if not sound or (kind == "log" and low <= 0) or (kind == "int" and not whole):
        raise errors.InputError(
            f"A range has a low and a higher end, above 0 for log and whole for int; "
            f"got {text!r}. Write it as in log:1e-5:1e-3."
        )
    return Range(kind=kind, low=low, high=high)


def split_values(text: str) -> list[str]:
    """Splits at commas that stand in no quotes and no brackets."""
    parts, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        if sign == "," and not quote and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def grid(variations: Sequence[Variation]) -> list[Bindings]:
    """Returns every combination, the last binding changing first.

    Raises:
      InputError: a range, or too many combinations.
    """
    lists = []
    for variation in variations:
        if isinstance(variation.values, Range):
            raise errors.InputError(
                f"A grid is of values; {variation.binding} has a range. Pass --random "
                "with the number of trials, or list values."
            )
        lists.append([(variation.binding, value) for value in variation.values])
    count = math.prod(map(len, lists))
    if count > MAX_TRIALS:
        raise errors.InputError(
            f"A sweep has at most {MAX_TRIALS} trials; this grid has {count}. Pass "
            "--random, or fewer values."
        )
    return list(itertools.product(*lists))


def draw(variations: Sequence[Variation], count: int, seed: int) -> list[Bindings]:
    """Returns `count` different combinations; more of them begin with the same ones.

    Each binding has its own randomness, so that a new one changes no other.

    Raises:
      InputError: there are not so many.
    """
    sources = [random.Random(f"{seed}/{v.binding}") for v in variations]
    found: dict[Bindings, None] = {}
    for _ in range(100 * count):
        found[tuple(map(_draw, variations, sources))] = None
        if len(found) == count:
            return list(found)
    raise errors.InputError(
        f"{count} different trials were to be drawn; {len(found)} were found. Ask for "
        "fewer with --random, or leave it out for all of a grid."
    )


def _draw(variation: Variation, source: random.Random) -> tuple[str, str]:
    values = variation.values
    drawn = values.draw(source) if isinstance(values, Range) else source.choice(values)
    return variation.binding, drawn


def check_distinct(variations: Sequence[Variation]) -> None:
    """Refuses no variation at all, and two of one binding.

    Raises:
      InputError: see above.
    """
    names = [variation.binding for variation in variations]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        raise errors.InputError(
            "A sweep varies one binding or more, each once; got "
            f"{', '.join(twice) + ' twice' if twice else 'none'}. Pass --vary."
        )


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Returns each binding's argument, or the whole where two share an argument."""
    last = [name.rpartition(".")[2] for name in names]
    return {
        name: short if last.count(short) == 1 else name
        for name, short in zip(names, last, strict=True)
    }


def trial_name(bindings: Bindings) -> str:
    """Returns a name for folders: readable, safe, and its own for each bindings."""
    short = short_names([name for name, _ in bindings])
    text = "_".join(f"{short[name]}-{value}" for name, value in bindings)
    text = text.replace("'", "").replace('"', "")
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:MAX_NAME].strip("-.")
    digest = hashlib.sha256(repr(sorted(bindings)).encode()).hexdigest()[:8]
    return f"{safe}-{digest}"
