"""Balance, blindness and determinism of a study's tasks."""

import collections
import dataclasses
import itertools

import made_up_studies
import pytest

from musicrl_jax.core import errors
from musicrl_jax.evaluation import prompts
from musicrl_jax.evaluation.studies import files, plan

MODELS = ("MusicLM", "R", "U", "RU")


@pytest.fixture(scope="module", params=[(12, 0), (7, 1), (3, 2)], ids=str)
def planned(request):
    raters, seed = request.param
    texts = tuple(prompt.text for prompt in prompts.paper_prompts())
    design = plan.Design(models=MODELS, prompts=texts, raters=raters, seed=seed)
    return design, plan.make_tasks(design)


def pair(task):
    return frozenset((task.first, task.second))


def spread(counts):
    return max(counts) - min(counts)


def test_every_pair_meets_on_every_prompt_before_three_different_raters(planned):
    design, tasks = planned
    assert len(design.prompts) == 101
    assert len(tasks) == 6 * 303
    raters = collections.defaultdict(list)
    for task in tasks:
        raters[pair(task), task.prompt].append(task.rater)
    assert len(raters) == 6 * 101
    assert all(len(set(x)) == len(x) == 3 for x in raters.values())
    assert {pair(task) for task in tasks} == set(map(frozenset, design.pairs))


def test_work_is_shared_evenly_in_all_and_of_each_pair(planned):
    design, tasks = planned
    names = {task.rater for task in tasks}
    assert len(names) == design.raters
    in_all = collections.Counter(task.rater for task in tasks)
    assert spread(in_all.values()) <= 1
    for models in map(frozenset, design.pairs):
        of_pair = collections.Counter(t.rater for t in tasks if pair(t) == models)
        assert spread([of_pair[name] for name in names]) <= 1


def test_sides_are_balanced_for_each_rater_and_pair(planned):
    design, tasks = planned
    for one, other in design.pairs:
        chosen = [task for task in tasks if pair(task) == {one, other}]
        firsts = collections.Counter(task.first for task in chosen)
        assert spread([firsts[one], firsts[other]]) <= design.raters
        for rater in {task.rater for task in chosen}:
            own = [task.first for task in chosen if task.rater == rater]
            assert spread([own.count(one), own.count(other)]) <= 1
    first = collections.Counter(task.first for task in tasks)
    assert spread([first[name] for name in MODELS]) <= 3 * design.raters


def test_sides_do_not_follow_prompts_or_order(planned):
    design, tasks = planned
    (one, other), *_ = design.pairs
    sides = [task.first == one for task in tasks if pair(task) == {one, other}]
    changes = sum(a != b for a, b in itertools.pairwise(sides))
    assert 0.35 < changes / len(sides) < 0.65


def test_ids_and_names_say_nothing(planned):
    design, tasks = planned
    names = plan.clip_names(design)
    assert len(set(names.values())) == 4 * 101
    ids = [task.task for task in tasks]
    assert len(set(ids)) == len(ids)
    assert all(len(name) == 9 and int(name[1:], 16) >= 0 for name in ids)
    assert ids != sorted(ids)
    ordered = [names[model, number] for model in MODELS for number in range(101)]
    assert sum(a < b for a, b in itertools.pairwise(ordered)) < 0.65 * len(ordered)


def test_no_id_is_a_number_to_a_spreadsheet(planned):
    design, tasks = planned
    stems = [name.removesuffix(".wav") for name in plan.clip_names(design).values()]
    for name in [task.task for task in tasks] + stems:
        assert name[0].isalpha()
        with pytest.raises(ValueError, match="could not convert"):
            float(name)


def test_keys_with_ids_that_are_all_digits_are_still_read(tmp_path):
    design = plan.Design(models=("base", "r"), prompts=("a waltz",), raters=3)
    ids = ("30937e03", "01467976", "0badcafe")
    tasks = tuple(
        dataclasses.replace(task, task=name)
        for task, name in zip(plan.make_tasks(design), ids, strict=True)
    )
    files.write_study(tmp_path, design, tasks)
    assert files.read_study(tmp_path) == (design, tasks)


def test_a_seed_is_a_plan_and_another_seed_another():
    first, again, other = (made_up_studies.make_design(seed=seed) for seed in (1, 1, 2))
    assert plan.make_tasks(first) == plan.make_tasks(again)
    assert plan.clip_names(first) == plan.clip_names(again)
    assert plan.make_tasks(first) != plan.make_tasks(other)
    assert plan.clip_names(first) != plan.clip_names(other)


def test_baselines_stand_second():
    design = made_up_studies.make_design(models=("base", "r", "u"))
    assert design.pairs == (("r", "base"), ("u", "base"), ("u", "r"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"models": ("a",)}, "two models"),
        ({"models": ("a", "a")}, "different names"),
        ({"prompts": 0}, "needs prompts"),
        ({"raters": 2}, "3 of 2"),
        ({"raters_per_comparison": 0}, "0 of 12"),
    ],
)
def test_refuses_what_is_no_study(fields, words):
    with pytest.raises(errors.InputError, match=words):
        made_up_studies.make_design(**fields)
