"""`musicrl select` on run directories whose best step is known."""

import dataclasses
import json
import pathlib

import measured_runs
import numpy as np
import pytest

from musicrl_jax.checkpoints import weights
from musicrl_jax.cli import main
from musicrl_jax.core import errors, writers
from musicrl_jax.evaluation import history
from musicrl_jax.runs import select_policy
from musicrl_jax.transport import configuration, keys
from musicrl_jax.transport import store as stores


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    """A run whose quality is best at step 30."""
    return measured_runs.write_run(tmp_path_factory.mktemp("runs") / "r", turn=3)


def test_the_best_step_before_the_turn_is_written(turned, tmp_path):
    out = tmp_path / "best.safetensors"
    found = select_policy.select(str(turned), score="loudness", out=str(out))
    # Loudness is best at 50, but quality has turned at 30.
    assert (found.step, found.kl, found.kl_ref) == (30, 10.5, "base")
    assert found.runner_up is not None
    assert found.runner_up.step == 20
    np.testing.assert_array_equal(weights.read_leaves(out)["leaf"], np.full((2, 2), 30))
    kept = json.loads((turned / "selected.json").read_text())
    assert (kept["step"], kept["reason"]) == (30, found.reason)
    assert kept["exported"] == str(out)
    assert "not after step 30, where quality turns" in found.reason


def test_a_run_without_measurements_is_named(tmp_path):
    run = str(tmp_path / "young")
    config = json.dumps({"learner": {"kl_budget_nats": 20.0}})
    stores.open_store(run).put_if_absent(configuration.TEXT, config.encode())
    with pytest.raises(errors.InputError, match=f"{run} has none") as refused:
        select_policy.select(run)
    assert f"musicrl evaluator --run_dir {run}" in str(refused.value)


def test_looking_does_not_change_what_was_saved(tmp_path):
    run = measured_runs.write_run(tmp_path / "r", steps=(0, 10, 20))
    saved = run / "selected.json"
    select_policy.select(str(run), score="quality")
    assert not saved.exists()
    select_policy.select(str(run), score="quality", save=True)
    kept = saved.read_bytes()
    assert json.loads(kept)["step"] == 20
    assert select_policy.select(str(run), score="quality", kl_budget=0.0).step == 0
    assert saved.read_bytes() == kept


def test_a_smaller_budget_gives_an_earlier_step(turned):
    assert select_policy.select(str(turned), kl_budget=8.0).step == 20


def test_only_kept_policies_are_chosen(tmp_path):
    run = measured_runs.write_run(tmp_path / "r")
    stores.open_store(str(run)).delete(keys.policy_key(50))
    found = select_policy.select(str(run), score="quality")
    assert found.step == 40
    assert "those kept and within" in found.reason


def test_the_command_prints_step_reason_and_runner_up(turned, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(["select", str(turned), "--score", "quality"])
    assert not ended.value.code
    printed = capsys.readouterr().out
    assert printed.startswith("step:      30\nreason:    Best quality (3.3")
    assert "runner-up: step 20" in printed
    assert "saved:     no (pass --save or --out)" in printed
    with pytest.raises(SystemExit):
        main.main(["select", str(turned), "--score", "quality", "--json", "--save"])
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((turned / "selected.json").read_text())
    assert found["run"] == str(turned)
    assert found["rule"] == (
        "best quality of the steps kept and within 20 nats of base and not after step "
        "30, where quality turns; then the least KL"
    )
    assert (found["step"], found["score"]) == (30, "quality")
    assert (found["kl"], found["kl_ref"], found["kl_budget"]) == (10.5, "base", 20.0)
    assert (found["steps_measured"], found["steps_allowed"]) == (6, 4)
    assert found["over_optimisation"].startswith("quality fell by")
    assert found["runner_up"].keys() == {"step", "value", "kl"}
    assert found["runner_up"]["value"] < found["value"]
    assert weights.read_leaves(pathlib.Path(found["policy"]))["leaf"][0, 0] == 30
    assert found["exported"] is None


def test_what_cannot_be_selected_is_explained(turned, tmp_path):
    with pytest.raises(errors.InputError, match=r"holds config/run\.json"):
        select_policy.select(str(tmp_path))
    with pytest.raises(errors.InputError, match="loudness, quality, text_adherence"):
        select_policy.select(str(turned), score="mos")
    with pytest.raises(errors.InputError, match=r"the least KL .* is 0\."):
        select_policy.select(str(turned), kl_budget=-1.0)


def test_a_watched_reward_without_scores_hides_no_turn_of_another(tmp_path):
    run = measured_runs.write_run(tmp_path / "r", turn=3)
    store = stores.open_store(str(run))
    for evaluation in history.read(store):
        nothing = np.full(measured_runs.PROMPTS, np.nan)
        rewards = {**evaluation.rewards, "text_adherence": nothing}
        row = {**evaluation.row, "reward/text_adherence": np.nan}
        history.write(store, dataclasses.replace(evaluation, row=row, rewards=rewards))
    found = select_policy.select(str(run), score="loudness")
    assert (found.step, found.over_optimisation[:15]) == (30, "quality fell by")
    assert "text_adherence has a score that is not finite: 12 of 12" in found.reason
    assert "over-optimisation was not looked for in it." in found.reason


@pytest.mark.parametrize("command", ["select", "report"])
@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("config/run.json", "{", "Expecting property name"),
        ("config/run.json", "[]", "it is no object but []"),
        ("config/run.json", '{"learner": 3}', "learner must be an object; got 3"),
        ("config/run.json", '{"learner": {}}', "it lacks it"),
        ("config/run.json", '{"learner": {"batch_clips": ""}}', "must be a number"),
        ("config/evaluator.json", "{}", "it lacks 'kl_ref'"),
        ("config/evaluator.json", "", "Expecting value"),
        ("config/evaluator.json", '{"smoothness": 2}', "unknown fields"),
        ("config/evaluator.json", '{"kl_ref": 1}', "kl_ref must be text; got 1"),
    ],
)
def test_a_broken_file_is_named_in_one_line(
    tmp_path, capsys, command, name, text, words
):
    run = measured_runs.write_run(tmp_path / "r", steps=(0, 10))
    (run / name).write_text(text)
    assert words in refusal(capsys, command, str(run), tmp_path / "out", name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Expecting property name"),
        ("{}", "it lacks 'step'"),
        ('{"step": "last", "reason": ""}', "step must be a number; got 'last'"),
        ('{"step": 10, "reason": null}', "reason must be text; got None"),
        ("null", "it is no object but None"),
    ],
)
def test_a_broken_choice_is_named_and_can_be_made_again(tmp_path, capsys, text, words):
    run = measured_runs.write_run(tmp_path / "r", steps=(0, 10))
    (run / "selected.json").write_text(text)
    line = refusal(capsys, "report", str(run), tmp_path / "out", "selected.json")
    assert words in line
    assert f"`musicrl select {run} --save`" in line
    select_policy.select(str(run), save=True)
    assert json.loads((run / "selected.json").read_text())["step"] == 10


def refusal(capsys, command, run, out, name):
    """Returns the line of a command that refuses the run's file `name`."""
    own = ("--out", str(out)) if command == "report" else ()
    with pytest.raises(SystemExit) as ended:
        main.main([command, run, *own])
    lines = capsys.readouterr().err.splitlines()
    assert (ended.value.code, len(lines)) == (2, 1), lines
    assert f"{run}/{name} must" in lines[0]
    return lines[0]


def test_a_run_that_kept_means_alone_has_a_choice_but_no_policy(tmp_path):
    run = tmp_path / "old"
    config = {"learner": {"kl_budget_nats": 20.0}, "reward": {"text_adherence": 1.0}}
    store = stores.open_store(str(run))
    store.put_if_absent(configuration.TEXT, json.dumps(config).encode())
    with pytest.raises(errors.InputError, match="has none"):
        select_policy.select(str(run))
    writer = writers.JsonLinesWriter(run / "metrics" / "evaluator.jsonl")
    for step, reward in ((0, 0.1), (12, 0.3), (24, 0.2)):
        writer.write(step, {"reward/total": reward, "kl/sequence": step / 10})
    found = select_policy.select(str(run))
    assert (found.step, found.policy, found.exported) == (12, None, None)
    with pytest.raises(errors.InputError, match="step_00000012"):
        select_policy.select(str(run), out=str(tmp_path / "x.safetensors"))


def test_a_prompt_without_a_finite_score_is_left_out_and_counted(tmp_path):
    run = measured_runs.write_run(tmp_path / "r", turn=3)
    store = stores.open_store(str(run))
    before = select_policy.select(str(run), score="loudness")
    assert "not finite" not in before.reason
    evaluation = history.read(store)[2]
    scores = evaluation.rewards["quality"].copy()
    scores[5] = np.nan
    row = {**evaluation.row, "reward/quality": float(np.mean(scores))}
    broken = dataclasses.replace(
        evaluation, row=row, rewards={**evaluation.rewards, "quality": scores}
    )
    history.write(store, broken)
    found = select_policy.select(str(run), score="loudness")
    assert "quality has a score that is not finite: 1 of 12;" in found.reason
    assert (found.step, found.over_optimisation[:15]) == (30, "quality fell by")
    # A step whose own score is not a number is not chosen.
    assert select_policy.select(str(run), score="quality", kl_budget=8.0).step == 10
    assert np.isfinite(select_policy.select(str(run)).value)
