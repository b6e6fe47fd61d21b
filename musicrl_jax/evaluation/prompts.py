"""The prompts that a policy is judged on; none of them is trained on."""

import dataclasses
import importlib.resources
import json
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from musicrl_jax.core import errors
from musicrl_jax.data import manifest

HELD_OUT = "held_out"
NEW_COMBINATION = "held_out_combination"
TRAIN = "train"
PAPER = "paper"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prompt:
    """One caption to make music for.

    Attributes:
      text: the caption.
      attributes: what the caption asks for in so many words, such as
        `{"genre": "tango"}`; a judge is asked about these only.
      origin: "held_out" (a caption of a clip that no network was trained on),
        "held_out_combination" (whose attributes never occurred together in training)
        or "paper" (one of the paper's 101 evaluation prompts).
    """

    text: str
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    origin: str = HELD_OUT

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise errors.InputError(
                f"An evaluation prompt needs text; got {self.text!r}. Write a caption."
            )


def paper_prompts(count: int | None = None) -> tuple[Prompt, ...]:
    """Returns the paper's evaluation prompts (appendix A), or `count` spread over them.

    Raises:
      InputError: where more than the 101 are asked for.
    """
    asset = importlib.resources.files("musicrl_jax.evaluation") / "assets"
    text = (asset / "paper_prompts.json").read_text(encoding="utf-8")
    texts = json.loads(text)["prompts"]
    count = len(texts) if count is None else count
    if not 0 <= count <= len(texts):
        raise errors.InputError(
            f"There are {len(texts)} prompts of the paper; got a request for {count}. "
            "Ask for fewer."
        )
    chosen = np.linspace(0, len(texts) - 1, count).round().astype(int)
    return tuple(Prompt(text=texts[index], origin=PAPER) for index in chosen)


def named_attributes(
    caption: str,
    attributes: Mapping[str, str],
    synonyms: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, str]:
    """Returns those attributes whose value stands in the caption as whole words.

    Args:
      caption: the text.
      attributes: of the clip, such as `{"genre": "bossa nova"}`.
      synonyms: for a value, other words that name it.
    """
    words = f" {_plain(caption)} "
    return {
        name: value
        for name, value in attributes.items()
        if any(
            f" {_plain(word)} " in words
            for word in (value, *(synonyms or {}).get(value, ()))
        )
    }


def held_out_prompts(
    rows: Sequence[manifest.ClipRow],
    count: int,
    *,
    seed: int,
    judged: Sequence[str] = ("genre",),
    synonyms: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Prompt, ...]:
    """Chooses distinct captions of rows that were held out of all training.

    Short captions can be those of training clips, too; they are left out.

    A third, where there are as many, comes from new attribute combinations, spread
    evenly, so that the first few are such a mixture too. Captions
    that name a `judged` attribute come first, and its values take turns, so that each
    is asked for about equally often.

    Raises:
      InputError: where there are fewer than `count` distinct captions.
    """
    found = [
        _of_split(rows, split, judged, synonyms, seed)
        for split in (NEW_COMBINATION, HELD_OUT)
    ]
    wanted = max(count // 3, count - len(found[1]))
    new, more = found[0][:wanted], found[0][wanted:]
    plain = _others(found[1], new)[: count - len(new)]
    # Captions of both splits can leave fewer plain ones than were counted on.
    new += _others(more, plain)[: count - len(new) - len(plain)]
    chosen = _merged(new, plain)
    if len(chosen) < count:
        raise errors.InputError(
            f"{count} distinct held-out captions are needed; the manifest's splits "
            f"{HELD_OUT!r} and {NEW_COMBINATION!r} have {len(chosen)}. Hold out more "
            "clips, or ask for fewer prompts."
        )
    return chosen


def held_out_texts(rows: Sequence[manifest.ClipRow]) -> set[str]:
    """Returns the captions of held-out rows that no row of training has."""
    met = {_plain(text) for row in rows if row.split == TRAIN for text in row.captions}
    return {
        text
        for row in rows
        if row.split in (HELD_OUT, NEW_COMBINATION)
        for text in row.captions
        if _plain(text) not in met
    }


def write_prompts(path: pathlib.Path, prompts: Sequence[Prompt]) -> None:
    """Writes prompts as JSON."""
    rows = [dataclasses.asdict(prompt) for prompt in prompts]
    text = json.dumps({"prompts": rows}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_prompts(path: pathlib.Path) -> tuple[Prompt, ...]:
    """Reads what `write_prompts` wrote.

    Raises:
      InputError: for a missing or malformed file.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["prompts"]
        return tuple(Prompt(**row) for row in rows)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise errors.InputError(
            f'The prompt file {path} must be JSON of the form {{"prompts": [{{"text": '
            f'"..."}}]}}; {error}. Mend or rebuild it.'
        ) from error


def _others(found: Sequence[Prompt], taken: Sequence[Prompt]) -> list[Prompt]:
    """Returns the prompts whose text none of `taken` has."""
    texts = {prompt.text for prompt in taken}
    return [prompt for prompt in found if prompt.text not in texts]


def _merged(one: Sequence[Prompt], other: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """Returns both in their order, each spread evenly over the whole."""
    placed = [
        ((index + 0.5) / len(prompts), prompt)
        for prompts in (one, other)
        for index, prompt in enumerate(prompts)
    ]
    return tuple(prompt for _, prompt in sorted(placed, key=lambda pair: pair[0]))


def _of_split(
    rows: Sequence[manifest.ClipRow],
    split: str,
    judged: Sequence[str],
    synonyms: Mapping[str, Sequence[str]] | None,
    seed: int,
) -> list[Prompt]:
    """Returns a split's distinct captions, values of judged attributes taking turns."""
    by_text: dict[str, Prompt] = {}
    texts = held_out_texts(rows)
    for row in rows:
        for caption in row.captions if row.split == split else ():
            if caption not in texts:
                continue
            named = named_attributes(caption, row.attributes, synonyms)
            by_text[caption] = Prompt(text=caption, attributes=named, origin=split)
    order = np.random.default_rng(seed).permutation(len(by_text))
    shuffled = [list(by_text.values())[index] for index in order]
    turns: dict[tuple[str, ...], int] = {}
    ranks = []
    for prompt in shuffled:
        value = tuple(prompt.attributes.get(name, "") for name in judged)
        turns[value] = turns.get(value, -1) + 1
        ranks.append((not any(value), turns[value]))
    by_rank = sorted(range(len(shuffled)), key=lambda index: ranks[index])
    return [shuffled[index] for index in by_rank]


def _plain(text: str) -> str:
    """Returns lower-case words with single spaces between."""
    kept = "".join(x if x.isalnum() else " " for x in text.lower().replace("'", ""))
    return " ".join(kept.split())
