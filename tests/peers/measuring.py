"""What the comparisons with peers share: sizes, turns on one core, one line of JSON.

They need torch and transformers beside the package, which nothing else here may:

    python3 -m venv peers && peers/bin/pip install -e '.[peers]'
    XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1" \
        OMP_NUM_THREADS=1 taskset -c 0 peers/bin/python tests/peers/sampling.py

Weights are random: times do not depend on them. The sizes are those of a small MusicGen
decoder: 6 layers of width 256 over frames of 4 codebooks of 2,048. Ours has a prefix of
16 conditioning tokens in place of its cross-attention to 16 text states, and a small
depth transformer in place of 4 heads on one state; both have 10.5 million parameters.
"""

import json
import statistics
import time

import jax
import torch
import transformers

from musicrl_jax.core import layout as layouts
from musicrl_jax.models.musiclm import adapter
from musicrl_jax.models.musiclm import config as configs
from musicrl_jax.runs import kept_pages

CLIPS, FRAMES, CODEBOOKS, ENTRIES, STATES = 8, 250, 4, 2048, 16
LAYOUT = layouts.TokenLayout(
    streams=(layouts.Stream(name="coarse", codebook_size=ENTRIES, levels=CODEBOOKS),)
)
SIZES = configs.MusicLMConfig(
    width=256,
    heads=4,
    layers=6,
    depth_width=128,
    depth_heads=4,
    depth_layers=2,
    window_frames=FRAMES,
    conditioning_tokens=STATES,
    conditioning_size=256,
)
POLICY = adapter.make_policy(SIZES, LAYOUT)


def musicgen_decoder(**more):
    """Returns the sizes of MusicGen's decoder that ours stand beside."""
    return transformers.MusicgenDecoderConfig(
        vocab_size=ENTRIES,
        hidden_size=256,
        ffn_dim=1024,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_codebooks=CODEBOOKS,
        **more,
    )


def one_thread():
    """Comes first. Arrays keep their pages, ours and torch's, as in training runs."""
    assert kept_pages.keep()
    torch.set_num_threads(1)
    torch.manual_seed(0)


def count(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def measure(calls, repeats):
    """Times calls in turns; returns seconds of this process and of the clock.

    Seconds of the process count where others use the machine.
    """
    taken = {name: [] for name in calls}
    for call in calls.values():
        jax.block_until_ready(call())
    for _ in range(repeats):
        for name, call in calls.items():
            clock, busy = time.perf_counter(), time.process_time()
            jax.block_until_ready(call())
            now = time.process_time() - busy
            taken[name].append((now, time.perf_counter() - clock))
    return {
        name: {
            "cpu_seconds": round(statistics.median(row[0] for row in rows), 4),
            "cpu_spread": [round(f(row[0] for row in rows), 4) for f in (min, max)],
            "seconds": round(statistics.median(row[1] for row in rows), 4),
        }
        for name, rows in taken.items()
    }


def times(timed, peer, ours="ours"):
    """Returns how many times as long the peer takes."""
    return round(timed[peer]["cpu_seconds"] / timed[ours]["cpu_seconds"], 2)


def report(**figures):
    print(json.dumps({"torch": torch.__version__, "jax": jax.__version__, **figures}))
