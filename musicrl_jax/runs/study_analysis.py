"""Analyses the ratings of a study: win rates, opinion scores, tests, agreement.

Required: `StudyAnalysisConfig.tasks`, `.ratings` (also --tasks, --ratings).
Commonly overridden (also --out, --votes_out): `.side_intercept`, `.resamples`.

Writes `study.json`, `comparisons.csv` and `models.csv`. The headline is `holm_p`: the
signed-rank test of per-prompt means, corrected for the number of pairs.
"""

import dataclasses
import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from musicrl_jax.core import errors
from musicrl_jax.evaluation.studies import (
    analysis,
    comparisons,
    files,
    standings,
)
from musicrl_jax.evaluation.studies import ratings as study_ratings
from musicrl_jax.evaluation.studies import table as tables

Value = Any
"""Whatever JSON can hold."""

RESULT = "study.json"
FEW = 10
"""Prompts or raters below which resampling them says too little of others."""
COMPARISON = (
    *("a", "b", "n", "win", "tie", "loss", "win_rate", "low", "high", "difference"),
    *("wilcoxon_p", "wilcoxon_prompt_p", "holm_p"),
)
MODEL = ("name", "ratings", "mos", "low", "high", "wins", "bt", "bt_low", "bt_high")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyAnalysisConfig:
    """An analysis.

    Attributes:
      tasks: folder that `musicrl study plan` wrote.
      ratings: CSV or `.jsonl` files; see `evaluation.studies.files`.
      out: folder to write to; empty for `tasks`.
      votes_out: `.jsonl` file for the ratings as votes, which `musicrl votes --own`
        makes a preference set of; empty for none.
      side_intercept: fit an advantage of the first clip with the strengths.
      resamples: of prompts and raters, for intervals.
      max_bad_share: of the rows of `ratings`; beyond it they are refused.
      seed: of the resamples.
    """

    tasks: str
    ratings: tuple[str, ...]
    out: str = ""
    votes_out: str = ""
    side_intercept: bool = False
    resamples: int = 2000
    max_bad_share: float = study_ratings.MAX_BAD_SHARE
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < 1 or not 0 <= self.max_bad_share <= 1:
            raise errors.InputError(
                "StudyAnalysisConfig needs resamples of 1 or more and max_bad_share in "
                f"[0, 1]; got {self.resamples} and {self.max_bad_share}."
            )
        if self.votes_out and not self.votes_out.endswith(".jsonl"):
            raise errors.InputError(
                f"Votes are written as .jsonl; got {self.votes_out}. Set --votes_out."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """What a person reads first; all of it is in `study.json`.

    Attributes:
      headline: which test to look at.
      comparisons: each pair of models, in few columns.
      models: each model, in few columns.
      alpha: Krippendorff's, of scores of the same clip, interval scale; None where
        there is none.
      first_clip_share: of the decided ratings, how many the first clip won.
      first_clip_p: of the exact test that it is one half.
      ratings: good ones.
      missing: tasks without a good rating.
      problems: bad rows, which were left out.
      notes: what the figures do not show.
      out: where the whole lies.
    """

    headline: str
    comparisons: tuple[Mapping[str, Any], ...]
    models: tuple[Mapping[str, Any], ...]
    alpha: float | None
    first_clip_share: float | None
    first_clip_p: float
    ratings: int
    missing: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    out: pathlib.Path


def run(config: StudyAnalysisConfig) -> Summary:
    """Reads ratings, writes the results and returns the most important.

    Raises:
      InputError: where study or ratings cannot be used.
    """
    design, tasks = files.read_study(pathlib.Path(config.tasks))
    collected = study_ratings.read_ratings(
        [pathlib.Path(path) for path in config.ratings],
        tasks,
        max_bad_share=config.max_bad_share,
    )
    found = analysis.analyse(
        tables.make_table(design.models, collected.rows),
        resamples=config.resamples,
        seed=config.seed,
        with_advantage=config.side_intercept,
    )
    if config.votes_out:
        clips = files.read_clips(pathlib.Path(config.tasks), tasks)
        path = pathlib.Path(config.votes_out)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_lines(path, votes(collected.rows, design.prompts, clips))
    folder = pathlib.Path(config.out or config.tasks)
    write(folder, found, collected, design.prompts)
    return _summary(found, collected, folder / RESULT)


def votes(
    rows: Sequence[study_ratings.RatedPair],
    prompts: Sequence[str],
    clips: Mapping[tuple[str, int], str],
) -> list[dict[str, str]]:
    """Returns ratings as rows of `data.readers.own_votes`; equal scores are ties."""

    def choice(row: study_ratings.RatedPair) -> str:
        first, second = row.scores
        return "tie" if first == second else "a" if first > second else "b"

    return [
        {
            "prompt": prompts[row.prompt],
            "audio_a": clips[row.first, row.prompt],
            "audio_b": clips[row.second, row.prompt],
            "choice": choice(row),
            "user": row.rater,
            "model_a": row.first,
            "model_b": row.second,
        }
        for row in rows
    ]


def write(
    folder: pathlib.Path,
    study: analysis.Study,
    collected: study_ratings.Collected,
    prompts: Sequence[str],
) -> None:
    """Writes a study's results; numbers that there are none of are null, or empty."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "prompts": len(prompts),
        "ratings": len(collected.rows),
        "raters": len({row.rater for row in collected.rows}),
        "missing": len(collected.missing),
        "missing_tasks": collected.missing,
        "problems": collected.problems,
    }
    fields = finite(dataclasses.asdict(study) | about)
    text = json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / RESULT).write_text(text + "\n", encoding="utf-8")
    for name in ("comparisons", "models"):
        files.write_csv(folder / f"{name}.csv", fields[name])


def finite(value: Value) -> Value:
    """Returns nested fields with None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _summary(
    study: analysis.Study, collected: study_ratings.Collected, path: pathlib.Path
) -> Summary:
    return Summary(
        headline=study.headline,
        comparisons=tuple(_chosen(one, COMPARISON) for one in study.comparisons),
        models=tuple(_chosen(one, MODEL) for one in study.models),
        alpha=_short("alpha", study.alpha),
        first_clip_share=_short("share", study.side.share),
        first_clip_p=_short("p", study.side.p_value),
        ratings=len(collected.rows),
        missing=len(collected.missing),
        problems=collected.problems,
        notes=_notes(study, collected),
        out=path,
    )


def _chosen(
    row: comparisons.Comparison | standings.Standing, names: Sequence[str]
) -> dict[str, Any]:
    """Returns some fields of a row, with few digits."""
    fields = dataclasses.asdict(row)
    return {name: _short(name, fields[name]) for name in names}


def _short(name: str, value: Value) -> Value:
    """Returns numbers with few digits: two that count where `name` is a p-value's."""
    if not isinstance(value, float):
        return value
    is_p = name.rpartition("_")[2] == "p"
    return finite(float(f"{value:.2g}") if is_p else round(value, 3))


def _notes(
    study: analysis.Study, collected: study_ratings.Collected
) -> tuple[str, ...]:
    notes = []
    if not study.bradley_terry.identifiable:
        sides = (
            ", or the first clip's advantage cannot be told from them: models do not "
            "change sides enough. Leave out side_intercept to see which"
        )
        notes.append(
            "Bradley-Terry strengths are not identifiable: wins and ties do not lead "
            "from each model to each other one"
            f"{sides if study.bradley_terry.with_advantage else ''}."
        )
    if math.isnan(study.alpha):
        notes.append(
            "Krippendorff's alpha is not defined: no comparison has two raters, or all "
            "scores of those that have are the same."
        )
    if collected.missing:
        notes.append(
            f"Tasks without a rating: {len(collected.missing)}. Prompts and models "
            "that have fewer ratings weigh less."
        )
    crowds = {
        "prompts": len({row.prompt for row in collected.rows}),
        "raters": len({row.rater for row in collected.rows}),
    }
    if min(crowds.values()) < FEW:
        counts = " and ".join(f"{count} {name}" for name, count in crowds.items())
        notes.append(
            "Intervals over resampled prompts and raters are too narrow where either "
            f"are fewer than {FEW}; these are of {counts}."
        )
    return tuple(notes)
