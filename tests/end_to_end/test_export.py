"""`musicrl export` on tiny networks: what serves without the package draws the same."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from musicrl_jax.cli import main
from musicrl_jax.core import errors
from musicrl_jax.export import manifest, probe
from musicrl_jax.runs import export as exports


@pytest.fixture(scope="module")
def served(networks, tiny, tmp_path_factory):
    """Networks with a fine stage and their export for clips of 1 s."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(networks, folder / "networks")
    tiny.write_codec(folder / "networks", levels=6)
    tiny.write_soundstorm(folder / "networks", levels=6, semantic_size=16)
    options = exports.ExportOptions(
        source=str(folder / "networks" / "musiclm.safetensors"),
        out=folder / "exported",
        networks=str(folder / "networks"),
        seconds=1.0,
        shard_gb=1e-5,
    )
    assert exports.run(options).fine_levels
    return folder


@pytest.mark.slow
def test_the_artefact_draws_the_packages_tokens_without_it(served, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(["export", "--verify", str(served / "exported"), "--json"])
    captured = capsys.readouterr()
    assert not ended.value.code, captured.err
    found = json.loads(captured.out)
    assert found["batches"] == [1, 3]
    assert found["tokens"] == 4 * 25 * 5
    assert found["waveform_difference"] < 1e-3
    assert found["wav_seconds"] == 1.0


@pytest.mark.slow
def test_a_server_without_the_package_writes_what_generate_writes(served, tmp_path):
    served_wav, own_wav = tmp_path / "served.wav", tmp_path / "own.wav"
    code = (
        "import runpy, sys\n"
        f"sys.meta_path.insert(0, runpy.run_path({probe.__file__!r})['Hide']())\n"
        f"sys.argv = ['serve.py', 'a slow waltz', '--seed', '3', '--out', "
        f"{str(served_wav)!r}]\n"
        f"runpy.run_path({str(served / 'exported' / 'serve.py')!r}, "
        "run_name='__main__')\n"
        "assert 'musicrl_jax' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with pytest.raises(SystemExit):
        main.main([
            "generate", "--prompt", "a slow waltz", "--seed", "3", "--seconds", "1",
            "--networks", str(served / "networks"), "--out", str(own_wav),
        ])  # fmt: skip
    (theirs, rate), (own, own_rate) = map(soundfile.read, (served_wav, own_wav))
    assert rate == own_rate
    assert np.abs(own).max() > 0.01
    np.testing.assert_allclose(theirs, own, atol=1e-3)


@pytest.mark.slow
def test_a_flipped_byte_in_any_file_is_refused_by_name(served, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(served / "exported", folder)
    found = manifest.check(folder)
    assert {"serve.py", "config.json", "programs/music.bin", "vocabulary.txt"} < set(
        found["files"]
    )
    for name in [*found["files"], manifest.NAME]:
        path = folder / name
        data = path.read_bytes()
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
        with pytest.raises(errors.InputError, match=name):
            exports.verify(folder)
        path.write_bytes(data)
    assert manifest.check(folder) == found
