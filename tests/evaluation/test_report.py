"""The report's files: keys, escaping, embedded sound, pictures, errors."""

import base64
import csv
import html
import io
import json
import re

import fake_report
import numpy as np
import pytest
import soundfile
from matplotlib import image

from musicrl_jax.core import errors
from musicrl_jax.evaluation import report

KEYS = {
    "steps",
    "wall_seconds",
    "seed",
    "reward_before",
    "reward_after",
    "reward_gain_stderr",
    "reward_prompts",
    "kl_per_sequence",
    "kl_per_token",
    "kl_budget",
    "attribute_accuracy_before",
    "attribute_accuracy_after",
    "trajectories_used",
    "trajectories_dropped",
    "max_staleness_seen",
    "learner_wait_share",
    "actor_wait_share",
    "audio",
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("report")
    data = fake_report.make_data(
        examples=fake_report.make_data().examples[:1], references=()
    )
    return directory, data, report.write(directory, data)


def test_json_agrees_with_the_comparison(written):
    directory, data, _ = written
    found = json.loads((directory / "report.json").read_text(encoding="utf-8"))
    assert set(found) >= KEYS
    result = data.comparison.row("reward/total").result
    assert found["reward_after"] - found["reward_before"] == pytest.approx(
        result.difference
    )
    assert found["reward_prompts"] == 24
    assert found["trajectories_dropped"] == {"stale": 1}
    assert found["audio"] == [
        {
            "file": f"audio/000_{stage}.wav",
            "prompt": data.comparison.prompts[0].text,
            "seed": 0,
            "stage": stage,
        }
        for stage in ("before", "after")
    ]
    for entry in found["audio"]:
        assert soundfile.info(directory / entry["file"]).samplerate == fake_report.RATE


def test_page_needs_nothing_else(written):
    page = (written[0] / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"]{0,60})', page)
    assert sources
    assert all(source.startswith("data:") for source in sources)
    assert "<script" not in page


def test_prompts_are_escaped(written):
    page = (written[0] / "report.html").read_text(encoding="utf-8")
    prompt = written[1].comparison.prompts[0].text
    assert "<b>tango" in prompt
    assert prompt not in page
    assert html.escape(prompt) in page


def test_embedded_sound_is_the_clip(written):
    page = (written[0] / "report.html").read_text(encoding="utf-8")
    found = re.findall(r"data:audio/flac;base64,([^\"]+)", page)
    example = written[1].examples[0]
    for encoded, clip in zip(found, (example.before, example.after), strict=True):
        samples, _ = soundfile.read(io.BytesIO(base64.b64decode(encoded)))
        np.testing.assert_allclose(samples, clip, atol=1e-4)


def test_pictures_are_drawn(written):
    files = sorted(path.name for path in (written[0] / "figures").glob("*.png"))
    assert files == [
        "costs.png",
        "lag_and_waiting.png",
        "pairs.png",
        "prompt_000.png",
        "reward_and_kl.png",
    ]
    for file in files:
        pixels = image.imread(written[0] / "figures" / file)
        assert pixels.std() > 0.02, file


def test_csv_has_two_lines_a_prompt(written):
    text = (written[0] / "scores.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 48
    first = written[1].comparison
    assert rows[0]["prompt"] == first.prompts[0].text
    assert float(rows[1]["reward/total"]) == pytest.approx(
        first.after.rewards["total"][0], rel=1e-4
    )


def test_synthetic_data_is_said_to_be(written):
    page = (written[0] / "report.html").read_text(encoding="utf-8")
    assert "All music here is synthetic." in page


def test_unwritable_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.InputError, match="writable directory"):
        report.write(tmp_path / "file" / "below", fake_report.make_data())
