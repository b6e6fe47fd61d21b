"""`musicrl bench soundstorm`: parallel decoding against one token at a time.

Random weights: the time of either does not depend on them.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
from jaxtyping import Array

from musicrl_jax.core import errors
from musicrl_jax.models.soundstorm import adapter
from musicrl_jax.models.soundstorm import config as soundstorm_config
from musicrl_jax.runs import token_by_token


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchSoundStormConfig:
    """What is measured.

    Attributes:
      soundstorm: sizes of the network; the peer has as many parameters.
      decoding: how SoundStorm decodes.
      seconds: length of the clips.
      frame_rate_hz: code steps in a second.
      clips: clips at a time.
      peer_window_seconds: what the peer's attention sees; AudioLM's fine stage sees
        3 s.
      repeats: runs of each, in turns, after one that compiles; medians are given.
    """

    soundstorm: soundstorm_config.SoundStormConfig = dataclasses.field(
        default_factory=soundstorm_config.SoundStormConfig
    )
    decoding: soundstorm_config.DecodingConfig = dataclasses.field(
        default_factory=soundstorm_config.DecodingConfig
    )
    seconds: float = 30.0
    frame_rate_hz: float = 25.0
    clips: int = 1
    peer_window_seconds: float = 3.0
    repeats: int = 3

    def __post_init__(self) -> None:
        if min(self.clips, self.repeats, self.frames, self.window_frames) < 1:
            raise errors.InputError(
                "BenchSoundStormConfig needs clips, repeats and lengths of a frame or "
                f"more; got {self.clips}, {self.repeats}, {self.seconds} s and "
                f"{self.peer_window_seconds} s."
            )

    @property
    def frames(self) -> int:
        """Code steps of a clip."""
        return round(self.seconds * self.frame_rate_hz)

    @property
    def window_frames(self) -> int:
        """Code steps that the peer's attention sees."""
        return round(self.peer_window_seconds * self.frame_rate_hz)


def run(config: BenchSoundStormConfig) -> dict[str, Any]:
    """Measures both on this machine.

    Returns:
      For each its parameters, passes of its network, and the median seconds (of the
      clock, and of this process on all cores) that one call takes; and how many times
      as long the peer takes.
    """
    sizes = config.soundstorm
    stage = adapter.make_soundstorm(sizes, config.decoding)
    parameters = token_by_token.count(stage.abstract_params())
    window = config.window_frames * sizes.fine_levels
    peer = token_by_token.beside(sizes, parameters, window)
    shape = (config.clips, config.frames, sizes.coarse_levels)
    first, second, third = jax.random.split(jax.random.key(0), 3)
    coarse = jax.random.randint(first, shape, 0, sizes.codebook_size)
    keys = jax.random.split(second, config.clips)
    ours, theirs = (jax.jit(init)(third) for init in (stage.init, peer.init))
    calls: dict[str, Callable[[], Array]] = {
        "soundstorm": lambda: stage.refine(ours, coarse, keys),
        "token_by_token": lambda: peer.refine(theirs, coarse, keys),
    }
    timed = measure(calls, config.repeats)
    about = {
        "soundstorm": {"parameters": parameters, "passes": stage.passes},
        "token_by_token": {
            "parameters": token_by_token.count(theirs),
            "passes": config.frames * sizes.fine_levels,
        },
    }
    ratio = timed["token_by_token"]["seconds"] / timed["soundstorm"]["seconds"]
    return {
        "device": jax.devices()[0].device_kind,
        "audio_seconds": config.seconds * config.clips,
        **{name: row | timed[name] for name, row in about.items()},
        "times_faster": round(ratio, 1),
    }


def measure(
    calls: Mapping[str, Callable[[], Array]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
    busy: Callable[[], float] = time.process_time,
) -> dict[str, dict[str, float]]:
    """Returns the median seconds of each call, by the clock and of this process.

    The calls take turns, so that a load from elsewhere meets all of them.
    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for call in calls.values():
        jax.block_until_ready(call())
    for _ in range(repeats):
        for name, call in calls.items():
            start, busy_start = clock(), busy()
            jax.block_until_ready(call())
            taken[name].append((clock() - start, busy() - busy_start))
    return {
        name: {
            "seconds": round(statistics.median(wall for wall, _ in rows), 4),
            "process_seconds": round(statistics.median(work for _, work in rows), 4),
        }
        for name, rows in taken.items()
    }
