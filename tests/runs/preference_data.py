"""A preference set and tiny networks for the tests of preference runs."""

import dataclasses
import pathlib

import jax
import numpy as np

from musicrl_jax.checkpoints import weights
from musicrl_jax.data import preference_rows, preferences
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.models.musiclm import config as musiclm_config
from musicrl_jax.models.preference import config as preference_config
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.runs import network_files, pretrain_preference

TRUNK = musiclm_config.MusicLMConfig(
    width=16, heads=2, layers=1, depth_width=8, depth_heads=2, window_frames=8
)
LAYOUT = musiclm_config.make_layout()
PAIRS, FRAMES = 400, 24


def write_networks(folder: pathlib.Path) -> pathlib.Path:
    """Writes a tiny random MusicLM beside the starter's other networks."""
    folder.mkdir()
    for path in network_files.directory().glob("*.safetensors"):
        if path.name != network_files.MUSICLM:
            (folder / path.name).symlink_to(path)
    policy = musiclm.make_policy(TRUNK, LAYOUT)
    draw = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: draw.normal(0, 0.2, leaf.shape).astype(np.float32),
        policy.abstract_params(),
    )
    described = {
        "musiclm": dataclasses.asdict(TRUNK),
        "layout": dataclasses.asdict(LAYOUT),
    }
    path = folder / network_files.MUSICLM
    weights.save_weights(path, params, "musiclm", described)
    return folder


def write_set(
    folder: pathlib.Path, *, simulated=True, frames=FRAMES, choice=None
) -> pathlib.Path:
    """Writes pairs whose preferred clip has tokens below 128, the other one above."""
    draw = np.random.default_rng(1)
    low = draw.integers(0, 128, (PAIRS, frames, LAYOUT.tokens_per_frame))
    tokens = np.stack([low, low + 128], axis=1).reshape(2 * PAIRS, frames, -1)
    rows = []
    for number in range(PAIRS):
        first = number % 2
        rows.append(
            preference_rows.Preference(
                caption=f"tune {number}",
                a=2 * number + first,
                b=2 * number + 1 - first,
                choice=choice or ("b" if first else "a"),
                user=f"u{number}",
                source="a test",
                licence="CC0",
            )
        )
    rows.append(dataclasses.replace(rows[0], choice="tie"))
    facts = preference_rows.Facts(
        simulated=simulated,
        frame_rate_hz=LAYOUT.frame_rate_hz,
        tokens_per_frame=LAYOUT.tokens_per_frame,
        ceiling_accuracy=1.0,
    )
    preferences.write_preferences(folder, rows, tokens, facts)
    return folder


def settings(folder: pathlib.Path, *, name="run", frames=FRAMES, **changes):
    """Returns a run on a new set and networks, which are made where missing."""
    simulated = changes.pop("simulated", True)
    if not (folder / "set").exists():
        write_set(folder / "set", simulated=simulated, frames=frames)
        write_networks(folder / "networks")
    fields = {
        "preferences": str(folder / "set"),
        "networks": str(folder / "networks"),
        "run_dir": str(folder / name),
        "out": str(folder / f"{name}.safetensors"),
        "preference": preference_config.PreferenceConfig(hidden=8),
        "pretrain": pretrain_config.PretrainConfig(
            steps=30, log_every=10, save_every=15, learning_rate=1e-2, warmup_steps=2
        ),
        "batch_size": 8,
        "clips_per_call": 16,
    }
    return pretrain_preference.PretrainPreferenceConfig(**(fields | changes))
