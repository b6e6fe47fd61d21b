"""Recorded-looking inputs of a report, made from noise and sines."""

import numpy as np

from musicrl_jax.core import layout
from musicrl_jax.evaluation import comparison, facts, prompts, report_data, scores

LAYOUT = layout.TokenLayout(
    streams=(
        layout.Stream(name="semantic", codebook_size=16),
        layout.Stream(name="coarse", codebook_size=16, levels=2),
    )
)
RATE = 16_000
GENRES = ("tango", "house", "blues")


class Reward:
    """The mean square of a clip, scaled."""

    def __call__(self, captions, waveform, tokens):
        total = (4 * np.square(waveform).mean(axis=1)).astype(np.float32)
        return {"text_adherence": total, "total": total}


class Judge:
    """Hears the genre whose number is the first token of the clip, as it was told."""

    def __init__(self, right):
        self.right = iter(right)

    def __call__(self, waveform):
        found = next(self.right)
        return {"genre": [GENRES[number] for number in found]}


def make_prompts(count):
    named = [
        prompts.Prompt(
            text=f"A <b>{GENRES[i % 3]}</b> & more, number {i}",
            attributes={"genre": GENRES[i % 3]},
            origin=prompts.HELD_OUT if i % 3 else prompts.NEW_COMBINATION,
        )
        for i in range(count - 4)
    ]
    return (*named, *prompts.paper_prompts(4))


def make_clips(count, loudness, seed, seconds=2.0):
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    hertz = 200 * 2 ** (np.arange(count) % 12 / 12)
    tone = np.sin(2 * np.pi * hertz[:, None] * time[None]) * (np.sin(12 * time) > 0)
    level = loudness * rng.uniform(0.8, 1.2, (count, 1))
    noise = 0.01 * rng.normal(size=tone.shape)
    return scores.Clips(
        waveform=(level * tone + noise).clip(-1, 1).astype(np.float32),
        tokens=rng.integers(0, 16, (count, 50, 3)),
    )


def make_facts(steps=30):
    learner = [
        {
            "step": float(step),
            "reward/mean": 0.3 + 0.004 * step + 0.01 * np.sin(step),
            "kl/sequence": 0.3 * step,
            "lag/mean": 1.0 + (step % 3) / 3,
            "lag/max": float(step % 4),
            "time/wait_share": 0.1 + 1 / (step + 3),
            "dropped/stale": float(step == 7),
        }
        for step in range(1, steps + 1)
    ]
    evaluator = [
        {
            "step": float(step),
            "reward/total": 0.31 + 0.003 * step,
            "kl/sequence": 0.28 * step,
            "entropy/semantic": 3.0 - 0.01 * step,
            "entropy/coarse": 4.0 - 0.01 * step,
        }
        for step in range(0, steps + 1, 5)
    ]
    actors = {
        f"actor-{i}": [
            {"step": float(n), "time/wait_share": 0.2 / (n + 1 + i)} for n in range(9)
        ]
        for i in range(2)
    }
    return facts.RunFacts(
        learner=learner, evaluator=evaluator, actors=actors, clips_per_batch=32
    )


def make_comparison(count=24, gain=0.15):
    chosen = make_prompts(count)
    asked = [GENRES.index(p.attributes.get("genre", "tango")) for p in chosen]
    rng = np.random.default_rng(5)
    wrong = (np.array(asked) + 1) % 3
    heard = [np.where(rng.random(count) < share, asked, wrong) for share in (0.5, 0.9)]
    scorer = scores.Scorer(
        reward=Reward(), judge=Judge(heard), layout=LAYOUT, sample_rate_hz=RATE
    )
    before = scorer(chosen, make_clips(count, 0.4, seed=1))
    after = scorer(chosen, make_clips(count, 0.4 + gain, seed=2))
    return comparison.Comparison(prompts=chosen, before=before, after=after)


def make_data(**fields):
    before = make_clips(24, 0.4, seed=1).waveform
    after = make_clips(24, 0.55, seed=2).waveform
    return report_data.ReportData(
        **{
            "title": "Demo",
            "comparison": make_comparison(),
            "facts": make_facts(),
            "examples": [
                report_data.Example(index=i, seed=i, before=before[i], after=after[i])
                for i in (0, 5, 23)
            ],
            "references": [
                report_data.Reference(
                    title="tango", recording=before[2], codec=after[2]
                )
            ],
            "real": {"reward/total": 0.7, "attribute/genre": 0.97},
            "kl": {"sequence": 8.4, "token": 0.0134, "budget": 20.0},
            "seed": 7,
            "wall_seconds": 323.0,
            "sample_rate_hz": RATE,
            "notes": ["All music here is synthetic."],
            "settings": {"device": "cpu"},
            **fields,
        }
    )
