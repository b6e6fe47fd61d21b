"""What a report leaves for programs and for ears: JSON, CSV and audio files."""

import csv
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from musicrl_jax.audio import waveform as waveforms
from musicrl_jax.evaluation import comparison, report_data

BEFORE, AFTER = "before", "after"


def as_json(
    data: report_data.ReportData, audio: Sequence[Mapping[str, str | int | None]]
) -> dict[str, object]:
    """Returns the figures for programs."""
    reward = data.comparison.row("reward/total").result
    judged = data.comparison.row("attribute/any").result
    return {
        "steps": data.facts.steps,
        "wall_seconds": round(data.wall_seconds, 1),
        "seed": data.seed,
        "reward_before": reward.before,
        "reward_after": reward.after,
        "reward_gain": reward.difference,
        "reward_gain_stderr": reward.standard_error,
        "reward_prompts": reward.pairs,
        "kl_per_sequence": data.kl["sequence"],
        "kl_per_token": data.kl["token"],
        "kl_budget": data.kl["budget"],
        "attribute_accuracy_before": judged.before,
        "attribute_accuracy_after": judged.after,
        "trajectory_units": {"used": "clips", "dropped": "packets of one actor"},
        "trajectories_used": data.facts.trajectories_used,
        "trajectories_dropped": data.facts.trajectories_dropped,
        "clips_not_finite": data.facts.clips_not_finite,
        "max_staleness_seen": data.facts.max_staleness,
        "learner_wait_share": data.facts.learner_wait_share,
        "actor_wait_share": data.facts.actor_wait_share,
        "entropy_before": dict(data.comparison.before.entropy),
        "entropy_after": dict(data.comparison.after.entropy),
        "real_clips_through_codec": dict(data.real),
        "comparisons": [
            {"name": row.name, "group": row.group, "verdict": row.words}
            | dataclasses.asdict(row.result)
            for row in data.comparison.rows
        ],
        "audio": list(audio),
    }


def write_audio(
    directory: pathlib.Path, data: report_data.ReportData
) -> list[dict[str, str | int | None]]:
    """Writes WAV files; returns one entry each."""
    entries: list[dict[str, str | int | None]] = []
    for example in data.examples:
        prompt = data.comparison.prompts[example.index].text
        for stage, clip in ((BEFORE, example.before), (AFTER, example.after)):
            name = f"audio/{example.index:03d}_{stage}.wav"
            waveforms.write_wav(directory / name, clip, data.sample_rate_hz)
            entries.append(
                {"file": name, "prompt": prompt, "seed": example.seed, "stage": stage}
            )
    for number, item in enumerate(data.references):
        for stage, clip in (("recording", item.recording), ("codec", item.codec)):
            name = f"audio/reference_{number}_{stage}.wav"
            waveforms.write_wav(directory / name, clip, data.sample_rate_hz)
            entries.append(
                {"file": name, "prompt": item.title, "seed": None, "stage": stage}
            )
    return entries


def write_csv(path: pathlib.Path, found: comparison.Comparison) -> None:
    """Writes one line a prompt and stage."""
    stages = ((BEFORE, found.before), (AFTER, found.after))
    heard = sorted(found.before.heard)
    header = [
        *("prompt", "origin", "stage"),
        *(f"named/{name}" for name in heard),
        *(f"heard/{name}" for name in heard),
        *(f"reward/{name}" for name in found.before.rewards),
        *(f"sound/{name}" for name in found.before.sound),
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        for index, prompt in enumerate(found.prompts):
            for stage, scored in stages:
                numbers = (*scored.rewards.values(), *scored.sound.values())
                table.writerow(
                    [
                        *(cell(prompt.text), prompt.origin, stage),
                        *(prompt.attributes.get(name, "") for name in heard),
                        *(scored.heard[name][index] for name in heard),
                        *(f"{vector[index]:.6g}" for vector in numbers),
                    ]
                )


def cell(text: str) -> str:
    """Returns text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in "=+-@" else text
