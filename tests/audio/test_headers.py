import shutil

import numpy as np
import pytest
import soundfile

from musicrl_jax.audio import headers, waveform
from musicrl_jax.core import errors

RATE = 22_050
FORMATS = {
    "mono.wav": {},
    "eight_bit.wav": {"subtype": "PCM_U8"},
    "float.wav": {"subtype": "FLOAT"},
    "double.wav": {"subtype": "DOUBLE"},
    "packed.flac": {},
    "vorbis.ogg": {},
    "layer_three.mp3": {"format": "MP3"},
}


def _noise(seconds=1.5, channels=1):
    shape = (int(RATE * seconds), channels)
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype("f4")


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", FORMATS)
def test_headers_agree_with_the_decoded_file(tmp_path, name, channels):
    path = tmp_path / name
    soundfile.write(path, _noise(channels=channels), RATE, **FORMATS[name])
    header = headers.read_header(path)
    assert header.sample_rate_hz == RATE
    decoded = len(waveform.read_audio(path, RATE)) / RATE
    assert header.duration_seconds == pytest.approx(decoded)
    assert header.duration_seconds == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize("kind", ["packed.flac", "vorbis.ogg", "layer_three.mp3"])
def test_the_content_decides_and_not_the_suffix(tmp_path, kind):
    soundfile.write(tmp_path / kind, _noise(), RATE, **FORMATS[kind])
    shutil.copy(tmp_path / kind, tmp_path / "other.wav")
    assert headers.read_header(tmp_path / "other.wav") == headers.read_header(
        tmp_path / kind
    )


@pytest.mark.parametrize("kind", ["packed.flac", "layer_three.mp3"])
def test_files_that_end_before_their_header_says_are_refused(tmp_path, kind):
    path = tmp_path / kind
    soundfile.write(path, _noise(4.0), RATE, **FORMATS[kind])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(errors.InputError, match=kind):
        headers.read_header(path)


@pytest.mark.parametrize("kind", ["mono.wav", "eight_bit.wav", "float.wav"])
@pytest.mark.parametrize("options", [{}, {"format": "WAVEX"}, {"endian": "BIG"}])
def test_a_cut_wav_is_refused(tmp_path, kind, options):
    path = tmp_path / kind
    soundfile.write(path, _noise(4.0), RATE, **FORMATS[kind], **options)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])  # as some programs count the header
    headers.read_header(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(errors.InputError, match=f"{kind} must be as long"):
        headers.read_header(path)


@pytest.mark.parametrize("size", [0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_streamed_wav_is_as_long_as_what_is_there(tmp_path, size):
    path = tmp_path / "stream.wav"
    soundfile.write(path, _noise(2.0), RATE)
    whole = path.read_bytes()
    place = whole.index(b"data") + 4
    told = size.to_bytes(4, "little")
    path.write_bytes(whole[:place] + told + whole[place + 4 :])
    assert headers.read_header(path).duration_seconds == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("place", [0, 70_000, 80_000])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_found_anywhere(tmp_path, place, value):
    path = tmp_path / "x.wav"
    samples = _noise(4.0, channels=2)
    samples[place, 1] = value
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    with pytest.raises(errors.InputError, match="finite"):
        headers.read_header(path)


@pytest.mark.parametrize("content", [None, b"", b"no audio " * 1000])
@pytest.mark.parametrize("name", ["x.wav", "x.mp3", "x.raw"])
def test_what_is_no_audio_is_refused(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(errors.InputError, match=name):
        headers.read_header(path)


def test_a_file_of_no_length_is_refused(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.zeros(0, "f4"), RATE)
    with pytest.raises(errors.InputError, match="no samples"):
        headers.read_header(path)
