"""`musicrl bench PART`: how fast the parts of a run are on this machine.

    sample    captions' conditioning to tokens
    update    one KL-REINFORCE update of policy and value
    pretrain  one supervised step of MusicLM
    rewards   tokens to waveform, to MuLan's and the quality score
    sync      a checkpoint, its publication, and the first clips of the new weights

Weights are random: the time does not depend on them. Each part runs once to compile
and then `repeats` times; medians, and the spread from the fastest to the slowest.
MFU is the FLOPs that the mathematics needs (`runs.musiclm_flops`: no recomputation, of
attention what a place may see) over the devices' bfloat16 peak and the seconds; a CPU
has no such peak here, so no MFU.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax

from musicrl_jax.runs import bench_work, kept_pages

PEAKS = {
    "NVIDIA H100": 989e12,
    "NVIDIA H200": 989e12,
    "NVIDIA A100": 312e12,
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5": 459e12,
    "TPU v6 lite": 918e12,
}
"""bfloat16 FLOPs a second of a device, by the beginning of its kind."""


def run(config: bench_work.BenchConfig) -> dict[str, Any]:
    """Measures one part; returns its figures by name."""
    makers: dict[str, Callable[[bench_work.BenchConfig], bench_work.Work]] = {
        "sample": bench_work.sample,
        "update": bench_work.update,
        "pretrain": bench_work.pretrain,
        "rewards": bench_work.rewards,
        "sync": bench_work.sync,
    }
    kept_pages.keep()
    work = makers[config.part](config)
    start = time.perf_counter()
    jax.block_until_ready(work.call())
    first = time.perf_counter() - start
    taken = []
    for _ in range(config.repeats):
        start = time.perf_counter()
        jax.block_until_ready(work.call())
        taken.append(time.perf_counter() - start)
    return _figures(config, work, first, taken)


def _figures(
    config: bench_work.BenchConfig,
    work: bench_work.Work,
    first: float,
    taken: list[float],
) -> dict[str, Any]:
    seconds = statistics.median(taken)
    device = jax.devices()[0]
    peak = next((x for n, x in PEAKS.items() if device.device_kind.startswith(n)), None)
    tokens = work.clips * config.frames * config.layout.tokens_per_frame
    whole = (peak or 0.0) * jax.device_count() * seconds
    memory = (device.memory_stats() or {}).get("peak_bytes_in_use")
    return {
        "part": config.part,
        "device": device.device_kind,
        "devices": jax.device_count(),
        "clips": work.clips,
        "clip_seconds": config.clip_seconds,
        "repeats": len(taken),
        "seconds": round(seconds, 4),
        "fastest": round(min(taken), 4),
        "slowest": round(max(taken), 4),
        "first_call_seconds": round(first, 2),
        "tokens_per_second": round(tokens / seconds, 1),
        "audio_seconds_per_second": round(
            work.clips * config.clip_seconds / seconds, 2
        ),
        "useful_flops": work.useful_flops or None,
        "mfu": work.useful_flops / whole if whole and work.useful_flops else None,
        "peak_memory_bytes": memory,
    }
