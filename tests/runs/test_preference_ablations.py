"""Figure 6: all variants of one set in one table, none trained twice."""

import csv
import json

import pytest

from musicrl_jax.core import errors
from musicrl_jax.runs import preference_ablations, pretrain_preference
from tests.runs import preference_data


def settings(folder, **changes):
    training = preference_data.settings(folder, frames=75)
    fields = {
        "run_dir": str(folder / "ablations"),
        "training": training,
        "crops_seconds": (10.0, 1.0),
        "from_scratch": False,
    }
    return preference_ablations.PreferenceAblationsConfig(**(fields | changes))


@pytest.mark.slow
def test_variants_and_predictors_are_compared_and_not_run_twice(tmp_path, monkeypatch):
    rows = preference_ablations.run(settings(tmp_path))
    # Clips last 3 s, so that there is no crop of 10 s.
    names = [row["variant"] for row in rows]
    # The starter's quality estimator lies beside its networks.
    assert names == ["full", "no_text", "crop_1", "mulan", "simulated_quality"]
    assert {row["pairs"] for row in rows} == {rows[0]["pairs"]}
    full, no_text, crop, mulan, _ = rows
    assert min(full["accuracy"], no_text["accuracy"], crop["accuracy"]) > 0.9
    assert full["low"] < full["accuracy"] <= full["high"]
    assert full["p_value"] is None
    assert mulan["nll"] is None
    assert no_text["p_value"] > 0.1
    found = json.loads((tmp_path / "ablations" / "ablations.json").read_text("utf-8"))
    assert found["rows"] == rows
    assert found["about"]["simulated"] is True
    with (tmp_path / "ablations" / "ablations.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["variant"] for row in table] == names
    assert float(table[0]["accuracy"]) == full["accuracy"]
    assert {row["simulated"] for row in table} == {"True"}
    monkeypatch.setattr(pretrain_preference, "run", None)
    assert preference_ablations.run(settings(tmp_path)) == rows
    other = preference_data.settings(tmp_path, batch_size=4)
    with pytest.raises(errors.InputError, match="other settings"):
        preference_ablations.run(settings(tmp_path, training=other))


def test_crops_must_have_a_length(tmp_path):
    with pytest.raises(errors.InputError, match="crops_seconds"):
        settings(tmp_path, crops_seconds=(0.0,))
    with pytest.raises(errors.InputError, match="crops_seconds"):
        settings(tmp_path, crops_seconds=(1.0, float("nan")))
