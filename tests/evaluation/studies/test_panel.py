"""A panel against recorded preferences: the paper's 156 pairs, and by hand."""

import json

import numpy as np
import pytest
import sklearn.metrics

from musicrl_jax.core import errors
from musicrl_jax.evaluation.studies import panel


def test_the_papers_156_pairs():
    rng = np.random.default_rng(0)
    recorded = [(f"pair {n}", "ab"[rng.integers(2)]) for n in range(156)]
    flipped = {"a": "b", "b": "a"}
    judged = [
        (pair, label if number < 94 else flipped[label])
        for number, (pair, label) in enumerate(recorded)
    ]
    found = panel.compare(recorded, judged)
    assert (found.pairs, found.agree) == (156, 94)
    assert round(found.accuracy, 2) == 0.60
    assert (round(found.low, 3), round(found.high, 3)) == (0.524, 0.676)
    assert found.p_value < 0.05
    kappa = sklearn.metrics.cohen_kappa_score(
        *([label for _, label in rows] for rows in (recorded, judged))
    )
    assert found.kappa == pytest.approx(kappa)
    assert (found.undecided, found.unrecorded, found.unjudged) == (0, 0, 0)


def test_majorities_ties_and_gaps_by_hand():
    recorded = [("1", "a"), ("2", "b"), ("3", "tie"), ("4", "a"), ("5", "b")]
    judged = [
        *[("1", "a"), ("1", "a"), ("1", "b")],  # the majority agrees
        *[("2", "a"), ("2", "none")],  # disagrees
        ("3", "a"),  # no side on record
        *[("4", "a"), ("4", "b")],  # no majority
        ("6", "b"),  # not on record
    ]
    found = panel.compare(recorded, judged)
    assert (found.pairs, found.agree) == (2, 1)
    assert (found.undecided, found.unrecorded, found.unjudged) == (1, 2, 1)


@pytest.mark.parametrize(
    ("recorded", "judged", "words"),
    [
        ([("1", "a"), ("1", "b")], [("1", "a")], "2 rows are about 1 pairs"),
        ([("1", "a")], [("2", "a")], "1 are judged, 1 recorded"),
        ([("1", "tie")], [("1", "a")], "1 are judged, 0 recorded"),
    ],
)
def test_refuses_what_cannot_be_compared(recorded, judged, words):
    with pytest.raises(errors.InputError, match=words):
        panel.compare(recorded, judged)


def test_reads_both_formats_and_ignores_other_fields(tmp_path):
    table, lines = tmp_path / "a.csv", tmp_path / "a.jsonl"
    table.write_text("pair_id,prompt,label\n7,a waltz,a\n8,,tie\n9,,\n")
    rows = [{"pair_id": 7, "label": "a", "x": 1}, {"pair_id": 8, "label": "tie"}]
    lines.write_text("\n\n".join(json.dumps(row) for row in rows))
    assert panel.read_choices(table) == (("7", "a"), ("8", "tie"), ("9", ""))
    assert panel.read_choices(lines) == (("7", "a"), ("8", "tie"))
    lines.write_text('{"pair_id": 0, "label": "b"}')
    assert panel.read_choices(lines) == (("0", "b"),)


def test_labels_may_be_written_in_capitals(tmp_path):
    table = tmp_path / "a.csv"
    table.write_text("Pair_ID;Label\n1;A\n2; B \n3;TIE\n")
    assert panel.read_choices(table) == (("1", "a"), ("2", "b"), ("3", "tie"))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "pair_id,label\n1\n", "line 2"),
        ("a.csv", "pair,label\n1,a\n", "lacks pair_id"),
        ("a.csv", "pair_id,label\n,a\n", "no pair_id"),
        ("a.csv", "pair_id,label\n1,a\n2,first\n", "line 3 of .* has 'first'"),
        ("a.jsonl", '{"pair_id": 1, "label": 1}', "line 1 of .* has '1'"),
        ("a.jsonl", '{"pair_id": 1', "line 1"),
        ("a.jsonl", "[1]", "no JSON object"),
        ("a.jsonl", '{"label": "a"}', "no pair_id"),
        ("a.jsonl", '{"pair_id": null, "label": "a"}', "no pair_id"),
        ("a.jsonl", '{"pair_id": 1, "label": 0}', "line 1 of .* has '0'"),
    ],
)
def test_refuses_broken_rows(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(errors.InputError, match=words):
        panel.read_choices(tmp_path / name)
