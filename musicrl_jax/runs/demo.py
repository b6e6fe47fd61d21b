"""`musicrl demo`: fine-tunes the starter model and compares before with after.

Commonly overridden: `DemoConfig.out`, `.seed`, `LearnerConfig.steps`, `.kl_weight`.

The prompts that are judged are never trained on; prompts and random seeds are the same
before and after, and which policy counts as "after" is decided by its KL alone.
"""

import dataclasses
import pathlib
import time
from collections.abc import Callable

import numpy as np
import rich.console

from musicrl_jax.core import arrays, errors
from musicrl_jax.evaluation import comparison, facts, report
from musicrl_jax.evaluation import prompts as prompts_lib
from musicrl_jax.runs import (
    compile_cache,
    demo_bench,
    demo_report,
    finetune,
    policy_source,
    run_config,
    run_config_gin,
    run_inputs,
    system,
    wall_clock,
)
from musicrl_jax.transport import store as stores

METRICS = "metrics"
SECONDS = "wall_seconds.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """One demonstration of KL-REINFORCE.

    Attributes:
      out: folder of the report; the run itself lies in `run` below it.
      seed: of the run, and of the clips before and after.
      held_out_prompts: captions that no network was trained on.
      paper_prompts: of the paper's 101 evaluation prompts.
      examples: prompts whose clips are in the report, the same number of each kind.
      clips: clips made at a time.
      run: the fine-tuning; its run_dir and seed come from here.
    """

    out: str = "demo_run"
    seed: int = 0
    held_out_prompts: int = 244
    paper_prompts: int = 12
    examples: int = 9
    clips: int = 32
    run: run_config.RunConfig = dataclasses.field(default_factory=run_config.RunConfig)

    def __post_init__(self) -> None:
        if self.held_out_prompts < comparison.LEAST_PAIRS or self.clips < 1:
            raise errors.InputError(
                f"DemoConfig needs at least {comparison.LEAST_PAIRS} held_out_prompts "
                f"and clips of 1 or more; got {self.held_out_prompts} and {self.clips}."
            )
        if min(self.paper_prompts, self.examples) < 0:
            raise errors.InputError(
                "DemoConfig.paper_prompts and .examples must not be negative; got "
                f"{self.paper_prompts} and {self.examples}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chosen:
    """The policy that counts as "after", and its update."""

    params: arrays.Params
    step: int


def run(config: DemoConfig, clock: Callable[[], float] = time.monotonic) -> str:
    """Judges, fine-tunes, judges again, and writes the report.

    The same call goes on with a run that was stopped.

    Returns:
      What happened, in about ten lines.

    Raises:
      InputError: a network or prompt file is missing, or `out` cannot be written to.
      RoleError: a process of the run failed for good.
      Preempted: asked to stop; the same call goes on.
    """
    out = pathlib.Path(config.out)
    seconds = wall_clock.WallClock(out / SECONDS, clock)
    try:
        said = _run(config, seconds)
    except BaseException:
        seconds.save()
        raise
    seconds.forget()
    return said


def _run(config: DemoConfig, seconds: wall_clock.WallClock) -> str:
    """Does what `run` says, on the clock of this and earlier calls."""
    console = rich.console.Console(stderr=True)
    training = training_config(config)
    prompts = judged(config)
    run_inputs.check(training)
    start_run(training)
    run_inputs.open_run(training)
    compile_cache.use(pathlib.Path(training.run_dir))
    language = system.load_language(
        system.networks_directory(training.networks), training.policy
    )
    bench = demo_bench.load(training, prompts, language, config.clips)
    console.print(f"Making {len(bench.prompts)} clips with the starting model ...")
    before = bench.make(language.params)
    scored = bench.score(before)
    finetune.run(training)
    run_facts = facts.read_facts(
        pathlib.Path(training.run_dir) / METRICS, training.learner.batch_clips
    )
    chosen = final_policy(training, language, run_facts)
    console.print(f"Making the same clips with the policy of step {chosen.step} ...")
    after = bench.make(chosen.params)
    found = comparison.Comparison(
        prompts=bench.prompts, before=scored, after=bench.score(after)
    )
    data = demo_report.compose(
        demo_report.Judged(
            bench=bench, before=before, after=after, comparison=found, step=chosen.step
        ),
        training,
        run_facts,
        examples=config.examples,
    )
    data = dataclasses.replace(data, wall_seconds=seconds.total())
    return report.write(pathlib.Path(config.out), data)


def training_config(config: DemoConfig) -> run_config.RunConfig:
    """Returns the config of the fine-tuning below the demo's folder."""
    return dataclasses.replace(
        config.run, run_dir=str(pathlib.Path(config.out) / "run"), seed=config.seed
    )


def judged(config: DemoConfig) -> tuple[prompts_lib.Prompt, ...]:
    """Returns held-out captions from beside the networks, and prompts of the paper.

    Raises:
      InputError: where there are not as many held-out captions.
    """
    path = system.networks_directory(config.run.networks) / system.HELD_OUT_PROMPTS
    held_out = prompts_lib.read_prompts(path)
    if len(held_out) < config.held_out_prompts:
        raise errors.InputError(
            f"DemoConfig.held_out_prompts asks for {config.held_out_prompts}; {path} "
            f"has {len(held_out)}. Ask for fewer."
        )
    paper = prompts_lib.paper_prompts(config.paper_prompts)
    return (*held_out[: config.held_out_prompts], *paper)


def start_run(training: run_config.RunConfig) -> None:
    """Writes the gin file that the run's processes read, where there is none yet.

    Raises:
      InputError: where the folder cannot be written to.
    """
    store = stores.open_store(training.run_dir)
    text = run_config_gin.as_gin(training)
    store.put_if_absent(finetune.OPERATIVE_GIN, text.encode())


def final_policy(
    training: run_config.RunConfig, language: system.Language, run_facts: facts.RunFacts
) -> Chosen:
    """Returns the last publication whose KL on held-out prompts is within the budget.

    Rewards have no say, so the comparison is not biased by the choice.

    Raises:
      InvariantError: no publication can be read.
    """
    store, _ = run_inputs.open_run(training)
    source = policy_source.PublishedPolicies(store, training.run_dir, language.params)
    budget = training.learner.kl_budget_nats
    within = [
        int(row["step"])
        for row in run_facts.evaluator
        if row.get("kl/sequence", np.inf) <= budget
    ]
    for step in sorted(within, reverse=True):
        weights = source.at_step(step)
        if weights is not None:
            return Chosen(params=weights.params, step=step)
    weights = source.newer_than(None)
    if weights is None:
        raise errors.InvariantError(
            f"Run {training.run_dir} has no readable publication. Look at its logs "
            "and start again in another --out."
        )
    return Chosen(params=weights.params, step=weights.publication.step)
