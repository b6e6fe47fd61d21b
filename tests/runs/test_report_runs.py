"""`musicrl report`: what stands in the page, the tables and the pictures."""

import base64
import csv
import io
import json
import re

import measured_runs
import numpy as np
import pytest
import soundfile
from matplotlib import image

from musicrl_jax.cli import main
from musicrl_jax.core import errors
from musicrl_jax.evaluation import history, run_charts, run_report
from musicrl_jax.runs import report_runs, select_policy

KL_TITLE = "Distance from the reference"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Returns the folder of a report of R, U and RU, which starts from R."""
    folder = tmp_path_factory.mktemp("report")
    first = measured_runs.write_run(folder / "musicrl_r", turn=3)
    runs = [
        str(first),
        str(measured_runs.write_run(folder / "musicrl_u", scale=0.8)),
        str(measured_runs.write_run(folder / "musicrl_ru", kl_ref="musicrl_r")),
    ]
    select_policy.select(runs[0], save=True)
    paths = measured_runs.write_results(folder)
    options = report_runs.ReportOptions(out=folder / "out", base="MusicLM", **paths)
    report_runs.write(runs, options)
    return folder / "out"


def page(written):
    return (written / "report.html").read_text(encoding="utf-8")


def table(written, name):
    text = (written / "figures" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def test_the_page_needs_nothing_else(written):
    sources = re.findall(r'(?:src|href)="([^"]{0,60})', page(written))
    assert sources
    assert all(source.startswith("data:") for source in sources)
    assert "http" not in re.sub(r"base64,[^\"]+", "", page(written))
    assert "<script" not in page(written)


def test_text_is_escaped(written):
    assert "<b>tango" not in page(written)
    assert "a &lt;b&gt;tango&lt;/b&gt; &amp; more" in page(written)


def test_every_figure_is_a_picture_with_its_numbers(written):
    names = {
        "reward_vs_kl", "reward_vs_step", "courses", "time_shares", "ablations",
        "study", "population",
    }  # fmt: skip
    folder = written / "figures"
    assert {path.stem for path in folder.glob("*.csv")} == names
    for name in names:
        assert image.imread(folder / f"{name}.png").std() > 0.02, name


def test_curves_name_their_reference_and_their_points(written):
    rows = [row for row in table(written, "reward_vs_kl") if row["kind"] == "curve"]
    assert {row["curve"] for row in rows} == {
        "musicrl_r (KL from MusicLM)",
        "musicrl_u (KL from MusicLM)",
        "musicrl_ru (KL from musicrl_r)",
    }
    quality = [
        float(row["y"])
        for row in rows
        if row["panel"].startswith("quality") and row["curve"].startswith("musicrl_r ")
    ]
    assert quality == pytest.approx([3.0, 3.1, 3.2, 3.3, 3.0, 2.7], abs=0.03)
    assert {row["panel"] for row in rows} == {
        "loudness (trained)", "quality (held out)", "text_adherence (held out)",
    }  # fmt: skip
    assert all(float(row["standard_error"]) > 0 for row in rows)


def test_the_kl_of_every_chart_names_its_reference(written, tmp_path):
    def said(folder):
        rows = [r for r in table(folder, "courses") if r["panel"] == KL_TITLE]
        (axis,) = {row["y_label"] for row in rows}
        return axis, {row["curve"] for row in rows if row["kind"] == "curve"}

    assert said(written) == (
        "KL from each run's reference, nats per clip",
        {
            "musicrl_r (KL from MusicLM)",
            "musicrl_u (KL from MusicLM)",
            "musicrl_ru (KL from musicrl_r)",
        },
    )
    run = measured_runs.write_run(tmp_path / "one", steps=(0, 1))
    options = report_runs.ReportOptions(out=tmp_path / "out")
    report_runs.write([str(run)], options)
    assert said(tmp_path / "out") == ("KL from base, nats per clip", {"one"})


@pytest.mark.parametrize(
    ("others", "title", "parts"),
    [
        (
            {"quality": 0.5},
            "what is trained: loudness + 0.5 quality",
            "loudness &times; 1, quality &times; 0.5",
        ),
        ({}, "what each run is trained on, its own sum", "x &times; 30"),
    ],
)
def test_a_trained_sum_says_its_parts_and_weights(tmp_path, others, title, parts):
    weights = {"loudness": 1.0, "quality": 0.5}
    runs = [measured_runs.write_run(tmp_path / "one", trained=weights, steps=(0, 1))]
    own = {"loudness": 1.0} | others if others else {"x": 30.0}
    runs.append(measured_runs.write_run(tmp_path / "two", trained=own, steps=(0, 1)))
    options = report_runs.ReportOptions(out=tmp_path / "out")
    report_runs.write([str(run) for run in runs], options)
    panels = {row["panel"] for row in table(tmp_path / "out", "reward_vs_kl")}
    assert [name for name in panels if name.startswith("what")] == [title]
    assert f'<td class="words">{parts}</td>' in page(tmp_path / "out")


def test_other_courses_have_plain_names(written):
    panels = {row["panel"] for row in table(written, "courses")}
    assert panels == {KL_TITLE, "Diversity", "Silence", "Entropy of coarse tokens"}


def test_starts_turns_and_choices_are_marked(written):
    marks = [
        (row["kind"], float(row["x"]))
        for row in table(written, "reward_vs_step")
        if row["kind"] != "curve" and row["panel"].startswith("quality")
    ]
    start = "start of a run with another reference"
    # RU starts at its own step 0, which is R's step 30.
    assert sorted(marks) == [
        ("over-optimisation from here", 30.0),
        ("selected", 30.0),
        (start, 0.0),
        (start, 30.0),
    ]


def test_different_references_and_turns_are_said(written):
    assert "Curves of different KL references share the KL axis" in page(written)
    assert "musicrl_ru from musicrl_r" in page(written)
    assert "musicrl_r: quality fell by" in page(written)


def test_a_run_that_nothing_watches_is_named():
    def curves(name, held_out):
        facts = history.Facts(kl_ref="base", trained={"a": 1.0}, held_out=held_out)
        rewards = {"a": np.zeros(2)}
        row = {"kl/sequence": 0.0}
        one = history.Evaluation(step=0, digest="", row=row, rewards=rewards)
        return run_charts.RunCurves(
            name=name, kl_ref="base", own_reference=False, facts=facts,
            evaluations=[one],
        )  # fmt: skip

    (note,) = run_report.notes([curves("watched", ["b"]), curves("blind", [])])
    assert note.endswith("no over-optimisation can be seen: blind.")


def test_simulated_voters_are_called_so_and_raters_are_not(written):
    text = page(written)
    assert "SIMULATED population" in text
    assert text.count("<td>3.82</td>") == 1


def test_counts_are_whole_numbers_in_tables(written):
    first = table(written, "study")[0]
    assert [first[name] for name in ("win", "tie", "loss", "n")] == [
        "205", "67", "31", "303",
    ]  # fmt: skip
    assert table(written, "ablations")[0]["pairs"] == "15000"


def test_parts_of_the_actors_time_add_up(written):
    shares = {}
    for row in table(written, "time_shares"):
        shares.setdefault(row["bar"], {})[row["part"]] = float(row["share"])
    assert shares["musicrl_r"]["decode"] == pytest.approx(0.29)
    assert shares["musicrl_r"]["render, else"] == pytest.approx(0.01)
    assert shares["musicrl_r"]["reward/text_adherence"] == pytest.approx(0.07)
    assert sum(shares["musicrl_r"].values()) == pytest.approx(1.0)


def test_both_models_of_a_prompt_can_be_heard(written):
    found = re.findall(r"data:audio/flac;base64,([^\"]+)", page(written))
    assert len(found) == 3 * 2 * 2
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(found[0])))
    assert (len(samples), rate) == (measured_runs.RATE, measured_runs.RATE)
    names = re.findall(r"<div><span>([^<]+)</span><audio", page(written))
    assert names[::2] == ["MusicLM"] * 4 + ["musicrl_r"] * 2
    chosen = ("musicrl_r, step 30", "musicrl_u, step 50", "musicrl_ru, step 50")
    assert names[1::2] == [name for name in chosen for _ in range(2)]


def test_runs_of_one_name_are_told_apart(tmp_path):
    runs = [measured_runs.write_run(tmp_path / x / "run", steps=(0, 1)) for x in "ab"]
    main_arguments = ["report", *map(str, runs), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        main.main(main_arguments)
    assert not ended.value.code
    rows = table(tmp_path / "out", "courses")
    assert {row["curve"] for row in rows} == set(map(str, runs))


def test_what_cannot_be_shown_is_explained(tmp_path):
    run = measured_runs.write_run(tmp_path / "run", steps=(0, 1))
    (tmp_path / "study.json").write_text('{"comparisons": [{"a": "R"}]}')
    for name, message in (("study.json", "rows of a, b, win"), ("no.json", "is not")):
        options = report_runs.ReportOptions(out=tmp_path, study=tmp_path / name)
        with pytest.raises(errors.InputError, match=message):
            report_runs.write([str(run)], options)
    (tmp_path / "file").write_text("")
    options = report_runs.ReportOptions(out=tmp_path / "file")
    with pytest.raises(errors.InputError, match="writable directory"):
        report_runs.write([str(run)], options)


def test_a_programs_votes_are_not_shown_as_peoples(tmp_path):
    run = measured_runs.write_run(tmp_path / "run", steps=(0, 1))
    paths = measured_runs.write_results(tmp_path)
    options = report_runs.ReportOptions(out=tmp_path / "a", study=paths["population"])
    with pytest.raises(errors.InputError, match="Pass it as --population"):
        report_runs.write([str(run)], options)
    options = report_runs.ReportOptions(out=tmp_path / "b", population=paths["study"])
    with pytest.raises(errors.InputError, match="Pass it as --study"):
        report_runs.write([str(run)], options)


def test_a_pair_without_a_decided_vote_is_drawn(tmp_path):
    run = measured_runs.write_run(tmp_path / "run", steps=(0, 1))
    row = {"a": "x", "b": "y", "win": 0, "tie": 3, "loss": 0, "win_rate": None}
    row |= {"low": None, "high": None, "n": 3}
    path = tmp_path / "ties.json"
    path.write_text(json.dumps({"comparisons": [row]}))
    report_runs.write(
        [str(run)], report_runs.ReportOptions(out=tmp_path / "out", study=path)
    )
    assert (tmp_path / "out" / "figures" / "study.png").is_file()
