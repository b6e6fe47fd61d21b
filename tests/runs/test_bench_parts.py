"""Benchmarks run, and their arithmetic is right; how fast they are is not tested."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from musicrl_jax.acting import config as acting_config
from musicrl_jax.core import errors
from musicrl_jax.learning import config as learning_config
from musicrl_jax.models.codec import config as codec_config
from musicrl_jax.models.mulan import config as mulan_config
from musicrl_jax.models.musiclm import config as musiclm_config
from musicrl_jax.models.quality import config as quality_config
from musicrl_jax.runs import bench_parts, bench_work, musiclm_flops


def config(part, **fields):
    return bench_work.BenchConfig(
        part=part,
        musiclm=musiclm_config.MusicLMConfig(
            width=16,
            heads=2,
            layers=1,
            depth_width=16,
            depth_heads=2,
            conditioning_tokens=3,
            conditioning_size=8,
            window_frames=50,
        ),
        mulan=mulan_config.MulanConfig(
            vocabulary_size=20,
            text_words=8,
            text_width=16,
            text_heads=2,
            num_mels=16,
            audio_widths=(8, 16),
            audio_blocks=1,
            embedding=16,
            min_seconds=0.1,
        ),
        quality=quality_config.QualityConfig(
            num_mels=16, channels=(4, 8), width=16, blocks=1
        ),
        codec=codec_config.CodecConfig(
            width=16, num_mels=16, encoder_depth=1, code_depth=1, frame_depth=1
        ),
        learner=learning_config.LearnerConfig(batch_clips=4, chunk_frames=25),
        actor=acting_config.ActorConfig(clips=4),
        clip_seconds=2.0,
        repeats=2,
        **fields,
    )


@pytest.mark.slow
@pytest.mark.parametrize("part", bench_work.PARTS)
def test_every_part_is_measured(part):
    found = bench_parts.run(config(part))
    assert found["clips"] == 4
    assert 0 < found["fastest"] <= found["seconds"] <= found["slowest"]
    assert found["tokens_per_second"] == pytest.approx(
        4 * 50 * 5 / found["seconds"], rel=0.01
    )
    assert (found["useful_flops"] is not None) == (part not in {"rewards", "sync"})
    assert found["mfu"] is None
    assert found["compiles"] > 0
    assert found["compile_seconds"] > 0
    assert found["compiles_while_timed"] == 0
    assert found["peak_memory_bytes"] > 1e7


def test_compilations_are_counted_while_they_are_asked_for():
    double = jax.jit(lambda x: 2 * x)
    with bench_parts.compilations() as found:
        double(np.ones(3)).block_until_ready()
        double(np.ones(3)).block_until_ready()
        assert len(found) == 1
        double(np.ones(4)).block_until_ready()
    double(np.ones(5)).block_until_ready()
    assert len(found) == 2
    assert min(found) > 0


def test_mfu_is_useful_work_over_the_peak(monkeypatch):
    monkeypatch.setattr(bench_parts, "PEAKS", {"cpu": 1e9})
    ticks = itertools.count(0.0, 0.5)
    monkeypatch.setattr(bench_parts.time, "perf_counter", lambda: next(ticks))
    monkeypatch.setattr(bench_parts.jax, "device_count", lambda: 2)
    work = bench_work.Work(call=tuple, clips=4, useful_flops=1e8)
    monkeypatch.setattr(bench_work, "sample", lambda _: work)
    found = bench_parts.run(config("sample"))
    assert found["seconds"] == 0.5
    assert found["mfu"] == pytest.approx(1e8 / (1e9 * 2 * 0.5))


def test_unknown_parts_and_endless_clips_are_refused():
    with pytest.raises(errors.InputError, match="one of sample, update"):
        config("decode")
    with pytest.raises(errors.InputError, match="'sample', 2 and nan"):
        dataclasses.replace(config("sample"), clip_seconds=float("nan"))


def test_flops_of_attention_count_what_a_place_may_see():
    sizes = musiclm_config.MusicLMConfig(
        width=16, heads=2, layers=1, conditioning_tokens=3, window_frames=4
    )
    tokens = musiclm_config.make_layout()
    seen = sum(3 + min(frame + 1, 4) for frame in range(10)) + 3 * 3
    full = (10 + 3) ** 2
    causal, dense = (
        musiclm_flops.forward(sizes, tokens, 10, scored=scored).trunk
        for scored in ("seen", "all")
    )
    depth = 4 * 96 * tokens.tokens_per_frame * 10 * (tokens.tokens_per_frame - 3)
    assert dense - causal == pytest.approx(4 * 16 * (full - seen) + depth)
