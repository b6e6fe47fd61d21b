"""Event files hold what was written, read back without TensorBoard."""

import importlib.util
import io
import struct

import numpy as np
import pytest
import soundfile
from matplotlib import image

from musicrl_jax.core import errors, protocols
from musicrl_jax.runs import tensorboard

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("tensorboardX") is None, reason="needs tensorboardX"
)


def events(folder):
    """Reads the records of an event file: length, checksum, data, checksum."""
    from tensorboardX.proto import event_pb2

    (path,) = folder.glob("events.*")
    data, place = path.read_bytes(), 0
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        yield event_pb2.Event.FromString(data[place + 12 : place + 12 + length])
        place += length + 16


@needs_package
def test_scalars_sounds_and_spectrograms_come_back(tmp_path):
    tone = 0.5 * np.sin(np.arange(8_000) / 7).astype(np.float32)
    writer = tensorboard.TensorBoardWriter(tmp_path)
    writer.write(3, {"loss": 0.25, "held_out/loss": 1.5})
    writer.write_samples(
        3, protocols.Samples(waveforms={"clip/tone": tone}, sample_rate_hz=16_000)
    )
    writer.close()
    found = {
        value.tag: (event.step, value)
        for event in events(tmp_path)
        for value in event.summary.value
    }
    assert found.keys() == {"loss", "held_out/loss", "clip/tone", "spectrograms"}
    assert {step for step, _ in found.values()} == {3}
    assert found["loss"][1].simple_value == 0.25
    assert found["held_out/loss"][1].simple_value == 1.5
    audio = found["clip/tone"][1].audio
    sound, rate = soundfile.read(io.BytesIO(audio.encoded_audio_string))
    assert (rate, audio.sample_rate) == (16_000, 16_000.0)
    np.testing.assert_allclose(sound, tone, atol=1e-4)
    png = found["spectrograms"][1].image.encoded_image_string
    assert image.imread(io.BytesIO(png)).std() > 0.05


@needs_package
def test_process_that_goes_on_hides_what_it_does_again(tmp_path):
    tensorboard.TensorBoardWriter(tmp_path, newest_step=8).close()
    starts = [e.step for e in events(tmp_path) if e.HasField("session_log")]
    assert starts == [9]


def test_missing_package_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.InputError, match=r"pip install -e '\.\[tensorboard\]'"):
        tensorboard.TensorBoardWriter(tmp_path)
