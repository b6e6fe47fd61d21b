"""`musicrl bench PART`: how fast the parts of a run are on this machine.

    sample    captions' conditioning to tokens
    update    one KL-REINFORCE update of policy and value
    pretrain  one supervised step of MusicLM
    rewards   tokens to waveform, to MuLan's and the quality score
    sync      a checkpoint, its publication, and the first clips of the new weights

Weights are random: the time does not depend on them. Each part runs once to compile
and then `repeats` times; medians, and the spread from the fastest to the slowest.
A bench that compiles while it is timed says so (`compiles_while_timed`).
MFU is the FLOPs that the mathematics needs (`runs.musiclm_flops`: no recomputation, of
attention what a place may see) over the devices' bfloat16 peak and the seconds; a CPU
has no such peak here, so no MFU.
"""

import contextlib
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

from musicrl_jax.runs import bench_work

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
MFU = "useful_flops / (devices * peak bfloat16 FLOPs a second * seconds)"
COMPILED = "/jax/core/compile/backend_compile_duration"


def run(config: bench_work.BenchConfig) -> dict[str, Any]:
    """Measures one part; returns its figures by name."""
    makers: dict[str, Callable[[bench_work.BenchConfig], bench_work.Work]] = {
        "sample": bench_work.sample,
        "update": bench_work.update,
        "pretrain": bench_work.pretrain,
        "rewards": bench_work.rewards,
        "sync": bench_work.sync,
    }
    with compilations() as before:
        work = makers[config.part](config)
        first = _timed(work.call)
    with compilations() as during:
        taken = [_timed(work.call) for _ in range(config.repeats)]
    compiled = {
        "first_call_seconds": round(first, 2),
        "compiles": len(before),
        "compile_seconds": round(sum(before), 2),
        "compiles_while_timed": len(during),
    }
    return _figures(config, work, taken) | compiled


def _timed(call: Callable[[], object]) -> float:
    """Returns the seconds of a call, until all it makes is there."""
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


@contextlib.contextmanager
def compilations() -> Iterator[list[float]]:
    """Gives a list that the seconds of each program compiled meanwhile are put in.

    Programs that a cache on disk has count as well, with the time of reading them.
    """
    found: list[float] = []

    def note(event: str, duration_secs: float, **_: str | int) -> None:
        if event == COMPILED:
            found.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(note)


def _peak_memory(memory: Mapping[str, int] | None) -> int:
    """Returns bytes at the most: of the device, or of this process on a CPU."""
    told = (memory or {}).get("peak_bytes_in_use")
    if told is not None:
        return told
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _figures(
    config: bench_work.BenchConfig, work: bench_work.Work, taken: list[float]
) -> dict[str, Any]:
    seconds = statistics.median(taken)
    device = jax.devices()[0]
    peak = next((x for n, x in PEAKS.items() if device.device_kind.startswith(n)), None)
    tokens = work.clips * config.frames * config.layout.tokens_per_frame
    whole = (peak or 0.0) * jax.device_count() * seconds
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
        "tokens_per_second": round(tokens / seconds, 1),
        "audio_seconds_per_second": round(
            work.clips * config.clip_seconds / seconds, 2
        ),
        "useful_flops": work.useful_flops or None,
        "mfu": work.useful_flops / whole if whole and work.useful_flops else None,
        "mfu_formula": MFU,
        "peak_memory_bytes": _peak_memory(device.memory_stats()),
    }
