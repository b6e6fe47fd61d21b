"""Writes run directories as an evaluator leaves them, with made-up numbers."""

import json

import jax.numpy as jnp
import numpy as np

from musicrl_jax.audio import waveform
from musicrl_jax.checkpoints import weights
from musicrl_jax.core import writers
from musicrl_jax.evaluation import history
from musicrl_jax.transport import configuration, keys
from musicrl_jax.transport import store as stores

RATE = 16_000
PROMPTS = 12
CAPTIONS = ("a <b>tango</b> & more", "a slow waltz")
STEPS = (0, 10, 20, 30, 40, 50)


def write_run(folder, kl_ref="base", turn=None, scale=1.0, steps=STEPS, trained=None):
    """Writes a run whose quality rises by 0.1 a step, from `turn` on falls by 0.3."""
    store = stores.open_store(str(folder))
    config = {
        "learner": {"kl_budget_nats": 20.0, "batch_clips": 4},
        "reward": {"loudness": 1.0, "quality_weights": "somewhere"},
        "reference_name": kl_ref,
    }
    store.put_if_absent(configuration.TEXT, json.dumps(config).encode())
    facts = history.Facts(
        kl_ref=kl_ref,
        trained=trained or {"loudness": 1.0},
        held_out=["quality", "text_adherence"],
        sample_rate_hz=RATE,
        captions=CAPTIONS,
        smoothing=1,
    )
    history.write_facts(store, facts)
    for number, step in enumerate(steps):
        fallen = 0 if turn is None else max(0, number - turn)
        means = {
            "loudness": 0.3 + scale * 0.05 * number,
            "quality": 3.0 + scale * 0.1 * (number - 4 * fallen),
            "text_adherence": 0.5 + 0.01 * number,
        }
        write_step(store, step, 3.5 * scale * number, means)
    write_metrics(folder, steps)
    return folder


def write_step(store, step, kl, means):
    rng = np.random.default_rng(step)
    rewards = {
        name: mean + 0.02 * rng.normal(size=PROMPTS) for name, mean in means.items()
    }
    rewards["total"] = rewards["loudness"]
    row = {
        "kl/sequence": kl,
        "kl/token": kl / 625,
        "entropy/coarse": 3.0 - 0.001 * step,
        "audio/silence_share": 0.001 * step,
        "diversity": 0.4,
    }
    for name, scores in rewards.items():
        row[f"reward/{name}"] = float(scores.mean())
        row[f"reward/{name}/se"] = float(scores.std(ddof=1) / np.sqrt(PROMPTS))
    evaluation = history.Evaluation(step=step, digest="", row=row, rewards=rewards)
    history.write(store, evaluation)
    params = {"leaf": jnp.full((2, 2), step, jnp.float32)}
    data = weights.weights_bytes(params, "musiclm", {}, np.float32)
    store.put_if_absent(keys.policy_key(step), data)
    time = np.arange(RATE) / RATE
    for number in range(len(CAPTIONS)):
        tone = 0.3 * np.sin(2 * np.pi * (200 + 10 * step) * time).astype(np.float32)
        store.put_if_absent(
            keys.sample_key(step, number), waveform.flac_bytes(tone, RATE)
        )


def write_metrics(folder, steps):
    learner = writers.JsonLinesWriter(folder / "metrics" / "learner.jsonl")
    for step in range(1, max(steps) + 1):
        numbers = {"lag/mean": 1.0, "lag/max": 2.0, "time/wait_share": 0.25}
        learner.write(step, numbers)
    shares = {"wait": 0.1, "sample": 0.4, "render": 0.3, "decode": 0.29, "score": 0.1}
    parts = {"reward/loudness": 0.02, "reward/text_adherence": 0.07}
    for actor in range(2):
        row = {f"time/{name}_share": x for name, x in (shares | parts).items()}
        path = folder / "metrics" / f"actor-{actor}.jsonl"
        writers.JsonLinesWriter(path).write(9, row)


def write_results(folder):
    """Writes the three result files of a report; returns their paths."""
    duels = [
        {"a": a, "b": b, "win": win, "tie": 67, "loss": 236 - win,
         "win_rate": win / 236, "low": win / 236 - 0.06, "high": win / 236 + 0.06,
         "n": 303}
        for a, b, win in (("RU", "base", 205), ("R", "base", 197), ("RU", "R", 155))
    ]  # fmt: skip
    models = [
        {"name": name, "mos": mos, "low": mos - 0.1, "high": mos + 0.1, "wins": wins}
        for name, mos, wins in (("base", 3.07, 133), ("RU", 3.82, 460))
    ]
    rows = [
        {"variant": name, "accuracy": x, "low": x - 0.02, "high": x + 0.02,
         "pairs": 15_000}
        for name, x in (("full", 0.72), ("no text", 0.71), ("3 s", 0.6))
    ]  # fmt: skip
    contents = {
        "study": {"comparisons": duels, "models": models},
        "population": {"simulated": True, "comparisons": duels},
        "ablations": rows,
    }
    paths = {name: folder / f"{name}.json" for name in contents}
    for name, content in contents.items():
        paths[name].write_text(json.dumps(content))
    return paths
