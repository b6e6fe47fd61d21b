"""Samples are files that come back as they were."""

import numpy as np

from musicrl_jax.audio import waveform
from musicrl_jax.core import protocols
from musicrl_jax.runs import sample_folder


def samples(rate=16_000):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate // 4) / rate)
    sounds = {"a/recording": tone.astype(np.float32), "a/other": -tone}
    return protocols.Samples(waveforms=sounds, sample_rate_hz=rate)


def test_sounds_come_back_and_other_files_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    folder = sample_folder.SampleFolder(tmp_path, keep=2)
    for step in (5, 10, 15):
        folder.write_samples(step, samples())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(
            f"{step:07d}-{name}"
            for step in (10, 15)
            for name in ("a_other.wav", "a_recording.wav", "spectrograms.png")
        ),
        "notes.txt",
    ]
    back = waveform.read_audio(tmp_path / "0000015-a_recording.wav", 16_000)
    np.testing.assert_allclose(back, samples().waveforms["a/recording"], atol=1e-4)
    assert (tmp_path / "0000015-spectrograms.png").read_bytes()[:4] == b"\x89PNG"
