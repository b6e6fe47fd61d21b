import numpy as np
import pytest
import soundfile

from musicrl_jax.audio import waveform
from musicrl_jax.core import errors


def _tone(hz, rate, seconds=0.5):
    return np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate).astype("f4")


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_files_keep_samples_to_16_bits(tmp_path, suffix):
    path = tmp_path / "folder" / f"tone{suffix}"
    tone = _tone(440, 16_000)
    waveform.write_wav(path, tone, 16_000)
    read = waveform.read_audio(path, 16_000)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, tone, atol=1e-4)


def test_stereo_becomes_the_mean_of_its_channels(tmp_path):
    path = tmp_path / "stereo.wav"
    left, right = _tone(440, 16_000) / 2, _tone(660, 16_000) / 2
    soundfile.write(path, np.stack([left, right], axis=1), 16_000, subtype="FLOAT")
    read = waveform.read_audio(path, 16_000)
    np.testing.assert_allclose(read, (left + right) / 2, atol=1e-6)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100])
def test_resampling_keeps_a_tone(tmp_path, rate):
    path = tmp_path / "tone.wav"
    soundfile.write(path, _tone(440, rate), rate, subtype="FLOAT")
    read = waveform.read_audio(path, 16_000)
    assert len(read) == 8_000
    inner = slice(500, -500)
    np.testing.assert_allclose(read[inner], _tone(440, 16_000)[inner], atol=2e-3)


def test_resampling_does_not_fold_high_tones_down():
    high = waveform.resample(_tone(13_000, 32_000), 32_000, 16_000)
    assert np.abs(high[500:-500]).max() < 0.01


def test_writing_clips_at_full_scale(tmp_path):
    path = tmp_path / "loud.wav"
    waveform.write_wav(path, np.asarray([2.0, -2.0, 0.5], np.float32), 16_000)
    read = waveform.read_audio(path, 16_000)
    np.testing.assert_allclose(read, [1, -1, 0.5], atol=1e-4)


def test_samples_that_are_not_finite_are_refused(tmp_path):
    with pytest.raises(errors.InputError, match="finite"):
        waveform.write_wav(tmp_path / "x.wav", np.asarray([0, np.nan], "f4"), 16_000)


@pytest.mark.parametrize("content", [None, b"", b"not audio at all"])
def test_unusable_files_are_refused(tmp_path, content):
    path = tmp_path / "x.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(errors.InputError, match=r"x\.wav"):
        waveform.read_audio(path, 16_000)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_files_with_samples_that_are_not_finite_are_refused(tmp_path, value):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.asarray([0, value, 0], "f4"), 16_000, subtype="FLOAT")
    with pytest.raises(errors.InputError, match=r"finite; some of .*x\.wav"):
        waveform.read_audio(path, 16_000)


@pytest.mark.parametrize(
    ("samples", "rate"),
    [(np.full((800, 2), 3e38), 16_000), (np.tile([3.4e38, -3.4e38], 400), 11_025)],
    ids=["mixed", "resampled"],
)
def test_samples_that_overflow_on_the_way_are_refused(tmp_path, samples, rate):
    path = tmp_path / "x.wav"
    square = np.repeat(samples, 8, axis=0).astype("f4")
    soundfile.write(path, square, rate, subtype="FLOAT")
    for read in (
        lambda: waveform.read_audio(path, 16_000),
        lambda: waveform.read_part(path, 16_000, 10, 500),
    ):
        with pytest.raises(errors.InputError, match="finite"):
            read()


def test_a_file_without_samples_is_refused(tmp_path):
    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros(0, "f4"), 16_000)
    with pytest.raises(errors.InputError, match="no samples"):
        waveform.read_audio(path, 16_000)


FORMATS = [
    ("wav", "PCM_U8"), ("wav", "PCM_16"), ("wav", "PCM_24"), ("wav", "FLOAT"),
    ("flac", "PCM_16"), ("ogg", "VORBIS"), ("mp3", "MPEG_LAYER_III"),
]  # fmt: skip
PARTS = [(0, 500), (1, 500), (9_999, 700), (23_000, 3_000), (31_990, 500), (40_000, 9)]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("suffix", "subtype"), FORMATS)
def test_a_part_is_what_the_whole_file_has_there(tmp_path, suffix, subtype, channels):
    path = tmp_path / f"noise.{suffix}"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (88_200, channels))
    soundfile.write(path, noise, 44_100, subtype=subtype)
    whole = waveform.read_audio(path, 16_000)
    assert len(whole) == waveform.resampled_length(88_200, 44_100, 16_000)
    for start, length in PARTS:
        part = waveform.read_part(path, 16_000, start, length)
        np.testing.assert_allclose(part, whole[start : start + length], atol=1e-6)


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000])
def test_a_part_is_resampled_as_the_whole(tmp_path, rate):
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, rate), rate)
    whole = waveform.read_audio(path, 16_000)
    for start in (0, 777, 8_001, 15_900):
        part = waveform.read_part(path, 16_000, start, 300)
        np.testing.assert_array_equal(part, whole[start : start + 300])


@pytest.mark.parametrize(
    ("suffix", "subtype"), [("flac", "PCM_16"), ("mp3", "MPEG_LAYER_III")]
)
def test_a_file_that_was_cut_off_is_refused(tmp_path, suffix, subtype):
    path = tmp_path / f"noise.{suffix}"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 88_200)
    soundfile.write(path, noise, 44_100, subtype=subtype)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(errors.InputError, match=f"noise.{suffix}"):
        waveform.read_audio(path, 16_000)
    with pytest.raises(errors.InputError, match=f"noise.{suffix}"):
        waveform.read_part(path, 16_000, 30_000, 500)


def test_a_wav_that_was_cut_off_is_a_shorter_file(tmp_path):
    # `headers.read_header` refuses it; a manifest has no such file.
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.zeros(16_000, "i2"), 16_000)
    path.write_bytes(path.read_bytes()[:16_044])
    assert len(waveform.read_audio(path, 16_000)) == 8_000
