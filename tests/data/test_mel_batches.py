"""Log-mel clips in memory and their random crops."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.audio import spectrogram, waveform
from musicrl_jax.core import errors
from musicrl_jax.data import manifest, mel_batches

LENGTHS = (12, 20, 15, 30, 12)


def _mels() -> list[np.ndarray]:
    """Every value says its clip (times 100) and its frame."""
    return [
        np.repeat(100.0 * i + np.arange(n)[:, None], 3, axis=1).astype(np.float16)
        for i, n in enumerate(LENGTHS)
    ]


def test_crops_are_consecutive_frames_of_distinct_clips():
    batches = mel_batches.MelBatches(mels=_mels(), batch_size=4, frames=(12, 7), seed=3)
    lengths = set()
    for step in range(30):
        mel = batches.batch(step)["mel"].astype(float)
        lengths.add(mel.shape[1])
        clips = (mel // 100).astype(int)[:, 0, 0]
        assert len(set(clips)) == 4
        assert ((mel // 100).astype(int) == clips[:, None, None]).all()
        np.testing.assert_array_equal(np.diff(mel, axis=1), 1)
        assert (mel[:, -1, 0] % 100 < np.asarray(LENGTHS)[clips]).all()
    assert lengths == {7, 12}


def test_every_place_of_a_clip_is_drawn():
    batches = mel_batches.MelBatches(mels=_mels()[1:2], batch_size=1, frames=(8,))
    starts = {int(batches.batch(step)["mel"][0, 0, 0]) - 100 for step in range(300)}
    assert starts == set(range(13))


def test_a_step_is_the_same_after_a_restart_and_seeds_differ():
    one = mel_batches.MelBatches(mels=_mels(), batch_size=3, frames=(5,), seed=1)
    again = mel_batches.MelBatches(mels=_mels(), batch_size=3, frames=(5,), seed=1)
    other = mel_batches.MelBatches(mels=_mels(), batch_size=3, frames=(5,), seed=2)
    np.testing.assert_array_equal(one.batch(9)["mel"], again.batch(9)["mel"])
    assert any((one.batch(i)["mel"] != other.batch(i)["mel"]).any() for i in range(3))


def test_captions_belong_to_their_clips_and_all_are_used():
    texts = [np.asarray([[i, 0], [i, 1]], np.int32) for i in range(5)]
    batches = mel_batches.CaptionedMelBatches(
        mels=_mels(), batch_size=5, frames=(6,), texts=texts
    )
    seen = set()
    for step in range(20):
        batch = batches.batch(step)
        clips = batch["mel"][:, 0, 0].astype(int) // 100
        np.testing.assert_array_equal(batch["text"][:, 0], clips)
        seen |= set(batch["text"][:, 1].tolist())
    assert seen == {0, 1}


def test_the_fullest_caption_comes_as_often_as_asked():
    texts = [np.asarray([[i, 1, 0], [i, 2, 3]], np.int32) for i in range(1, 6)]
    batches = mel_batches.CaptionedMelBatches(
        mels=_mels(), batch_size=5, frames=(6,), texts=texts, fullest_share=0.5
    )
    longest = np.concatenate(
        [batches.batch(step)["text"][:, 2] == 3 for step in range(200)]
    )
    # One half, and half of the other half; five standard deviations of 1,000 draws.
    assert abs(longest.mean() - 0.75) < 5 * np.sqrt(0.75 * 0.25 / 1000)


def test_grouped_batches_hold_clips_of_few_groups():
    groups = ("a", "b", "c", "a", "b", "c", "a", "b", "c")
    texts = [np.asarray([[i]], np.int32) for i in range(9)]
    batches = mel_batches.CaptionedMelBatches(
        mels=[np.zeros((6, 2), np.float16)] * 9,
        batch_size=4,
        frames=(6,),
        texts=texts,
        groups=groups,
        groups_per_batch=2,
        grouped_share=0.5,
    )
    counts = []
    for step in range(200):
        clips = batches.batch(step)["text"][:, 0]
        assert len(set(clips.tolist())) == 4
        counts.append(len({groups[clip] for clip in clips}))
    # Four of nine clips, three of each group, hold all groups in 9/14 of the draws.
    assert abs(np.mean(np.asarray(counts) == 3) - 0.5 * 9 / 14) < 0.17
    whole = dataclasses.replace(batches, batch_size=7, grouped_share=1.0)
    assert len(set(whole.batch(0)["text"][:, 0].tolist())) == 7


def test_crops_longer_than_a_clip_and_too_large_batches_are_refused():
    batches = mel_batches.MelBatches(mels=_mels(), batch_size=5, frames=(13,))
    with pytest.raises(errors.InputError, match="clips of 13 frames or more"):
        batches.batch(0)
    with pytest.raises(errors.InputError, match="between 1 and the 5 clips"):
        mel_batches.MelBatches(mels=_mels(), batch_size=6, frames=(5,))


def test_reading_gives_each_clips_spectrogram_in_order(tmp_path):
    config = spectrogram.MelConfig(fft_size=640, hop=320, num_mels=8)
    generator = np.random.default_rng(0)
    rows, sounds = [], []
    for number in range(3):
        sound = 0.1 * (number + 1) * generator.standard_normal(3200).astype(np.float32)
        path = tmp_path / f"{number}.wav"
        waveform.write_wav(path, sound, 16_000)
        sounds.append(waveform.read_audio(path, 16_000))
        rows.append(
            manifest.ClipRow(
                path=str(path),
                duration_seconds=0.2,
                sample_rate_hz=16_000,
                captions=("noise",),
            )
        )
    seen = []
    mels = mel_batches.read_mels(rows, config, lambda *done: seen.append(done))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for sound, mel in zip(sounds, mels, strict=True):
        expected = spectrogram.log_mel(jnp.asarray(sound)[None], config)[0]
        np.testing.assert_allclose(mel, expected, atol=0.02)
