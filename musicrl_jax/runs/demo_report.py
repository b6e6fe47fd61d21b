"""What the demo's report shows of a finished run."""

import dataclasses
import platform

import jax
import jax.numpy as jnp
import numpy as np

from musicrl_jax.evaluation import comparison, facts, report_data
from musicrl_jax.runs import demo_bench, demo_references, run_config

TITLE = "MusicRL demo: fine-tuning a text-to-music model with KL-REINFORCE"
SYNTHETIC = (
    "All music here is synthetic: the starter's networks were trained on a procedural "
    "corpus, composed by rules and rendered with a General MIDI soundfont, and the "
    "captions were written by a program. MuLan, the reward, is a small network trained "
    "on the same corpus. Figures say nothing about recorded music."
)
BASELINES = {
    "leave_one_out": (
        "Baseline: a clip's reward is held against the mean of the other clips of the "
        "same caption, not against the paper's learned V(s). V explains somewhat more "
        "of the rewards' variance here, but only after more warm-up than this run has "
        "time for, and doubles the cost of an update (BUILD_NOTES.md has the figures)."
    ),
    "value": "Baseline: the paper's V(s), warmed up on clips of the starting policy.",
}

CHOSEN = (
    "What to keep in mind: the shipped experiment's learning rate, schedule and alpha "
    "were chosen by the gain on 240 of these very captions, so a gain on captions of "
    "your own may be smaller. The judge was trained on half of the corpus clips whose "
    "combinations of attributes the policy never saw (not on their captions), and its "
    "own sizes were chosen on the other half. 'Clearly' and 'probably' are more than 3 "
    "and 2 standard errors with no correction for the number of rows; read them beside "
    "the sign test."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
    """Clips and scores before and after, and the update that "after" is of."""

    bench: demo_bench.Bench
    before: demo_bench.Made
    after: demo_bench.Made
    comparison: comparison.Comparison
    step: int


def compose(
    judged: Judged,
    training: run_config.RunConfig,
    run_facts: facts.RunFacts,
    *,
    examples: int,
) -> report_data.ReportData:
    """Returns the report's data, but for the time that all took.

    Raises:
      InputError: where the reference clips cannot be read.
    """
    real = demo_references.measure(training, judged.bench.scorer)
    kl = float(judged.after.kl.mean())
    return report_data.ReportData(
        title=TITLE,
        comparison=judged.comparison,
        facts=run_facts,
        examples=_examples(judged, examples),
        references=real.examples,
        real=real.figures,
        kl={
            "sequence": kl,
            "token": kl / judged.after.clips.tokens[0].size,
            "budget": training.learner.kl_budget_nats,
        },
        seed=training.seed,
        wall_seconds=0.0,
        sample_rate_hz=judged.bench.scorer.sample_rate_hz,
        notes=(SYNTHETIC, BASELINES[training.learner.baseline], CHOSEN),
        settings=_settings(training, judged.step),
    )


def _examples(judged: Judged, count: int) -> list[report_data.Example]:
    """Returns the first prompts of each kind: chosen before anything was heard."""
    kinds = [prompt.origin for prompt in judged.bench.prompts]
    share = -(-count // len(set(kinds)))
    first = [
        index for index, kind in enumerate(kinds) if kinds[:index].count(kind) < share
    ][:count]
    before, after = (
        np.asarray(judged.bench.listen(jnp.asarray(made.clips.tokens[first])))
        for made in (judged.before, judged.after)
    )
    return [
        report_data.Example(
            index=index, seed=index, before=before[place], after=after[place]
        )
        for place, index in enumerate(first)
    ]


def _settings(training: run_config.RunConfig, step: int) -> dict[str, str]:
    learner = training.learner
    return {
        "policy judged, of update": str(step),
        "clips per update": str(learner.batch_clips),
        "seconds per clip": f"{training.clip_seconds:g}",
        "KL weight (alpha)": f"{learner.kl_weight:g}",
        "KL mode": learner.kl_mode,
        "baseline": learner.baseline,
        "policy learning rate": f"{learner.policy_learning_rate:g}",
        "temperature": f"{learner.temperature:g}",
        "actors": str(training.num_actors),
        "device": f"{jax.devices()[0].device_kind}, JAX {jax.__version__}",
        "Python": platform.python_version(),
    }
