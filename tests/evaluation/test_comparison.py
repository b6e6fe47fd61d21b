"""Groups, rows and words of a comparison, and the metric files behind a report."""

import dataclasses
import json

import fake_report
import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.evaluation import facts, prompts, statistics, summary


def test_rows_cover_scores_and_groups():
    found = fake_report.make_comparison()
    names = [row.name for row in found.rows if row.group == "all"]
    assert names == [
        "reward/total",
        "attribute/any",
        "attribute/genre",
        "sound/silence",
        "sound/clipping",
        "sound/level_dbfs",
        "sound/repetition",
    ]
    by_group = {row.group: row.result.pairs for row in found.rows}
    assert by_group[prompts.PAPER] == 4
    assert by_group[prompts.HELD_OUT] + by_group[prompts.NEW_COMBINATION] == 20


def test_row_is_the_paired_comparison_of_all_prompts():
    found = fake_report.make_comparison()
    expected = statistics.compare_pairs(
        found.before.rewards["total"], found.after.rewards["total"]
    )
    assert found.row("reward/total").result == expected
    assert found.row("reward/total").words == "clearly up"
    # The four prompts of the paper name no attribute.
    assert found.row("attribute/any").result.pairs == 20


def test_no_gain_is_called_no_gain():
    found = fake_report.make_comparison()
    same = dataclasses.replace(found, after=found.before)
    assert same.row("reward/total").words == "no measurable change"
    assert "not measurably move" in summary.judge_words(same)
    assert "has not risen" in summary.advice(same)


def test_a_judge_that_fell_is_named():
    found = fake_report.make_comparison()
    swapped = dataclasses.replace(
        found,
        before=dataclasses.replace(found.before, correct=found.after.correct),
        after=dataclasses.replace(found.after, correct=found.before.correct),
    )
    assert "clearly fell" in summary.judge_words(swapped)
    assert "expense" in summary.advice(swapped)


def test_a_judge_that_rose_alone_is_not_credited_to_the_reward():
    found = fake_report.make_comparison()
    assert "clearly up, with the reward" in summary.judge_words(found)
    flat = dataclasses.replace(found.after, rewards=found.before.rewards)
    alone = dataclasses.replace(found, after=flat)
    assert "although the reward did not rise" in summary.judge_words(alone)


def test_collapse_is_named():
    found = fake_report.make_comparison()
    entropy = dict(found.before.entropy) | {"coarse": 0.5}
    after = dataclasses.replace(found.after, entropy=entropy)
    collapsed = dataclasses.replace(found, after=after)
    assert "SHRANK" in summary.entropy_words(collapsed)
    assert "did not collapse" in summary.entropy_words(found)


def test_unknown_score():
    found = fake_report.make_comparison()
    with pytest.raises(errors.InputError, match="attribute/key"):
        found.row("attribute/key")


def test_facts_of_metric_files(tmp_path):
    rows = [
        {"step": 1, "lag/max": 0, "dropped/stale": 2, "time/wait_share": 0.9},
        {"step": 2, "lag/max": 3, "time/wait_share": 0.5},
        # A restarted learner repeats a step; its last word counts.
        {"step": 2, "lag/max": 1, "dropped/corrupt": 1, "time/wait_share": 0.4},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "learner.jsonl").write_text(text + '{"step": 3, "torn')
    (tmp_path / "actor-0.jsonl").write_text('{"step": 0, "time/wait_share": 0.25}\n')
    (tmp_path / "actor-1.jsonl").write_text('{"step": 0, "time/wait_share": 0.75}\n')
    found = facts.read_facts(tmp_path, clips_per_batch=8)
    assert found.steps == 2
    assert found.trajectories_used == 16
    assert found.trajectories_dropped == {"stale": 2, "corrupt": 1}
    assert found.max_staleness == 1
    assert found.learner_wait_share == 0.4
    assert found.actor_wait_share == 0.5
    assert facts.column(found.learner, "dropped/stale") == ([1], [2])


def test_no_metrics(tmp_path):
    with pytest.raises(errors.InputError, match="learner's metrics"):
        facts.read_facts(tmp_path, clips_per_batch=8)


def test_summary_has_ten_lines_of_plain_words():
    data = fake_report.make_data()
    lines = data.lines("report.html")
    assert len(lines) == 10
    assert "960 clips" in lines[0]
    assert "5 min 23 s" in lines[0]
    assert lines[2].startswith("By kind of prompt: captions held out of training")
    assert "8.4 nats" in lines[4]
    assert "report.html" in lines[8]
    change = np.diff(
        [
            data.comparison.row("reward/total").result.before,
            data.comparison.row("reward/total").result.after,
        ]
    )[0]
    assert f"{change:+.3f}" in lines[1]
