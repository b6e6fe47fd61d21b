"""SoundStorm beside the other networks: heard by listeners, by rewards if asked for."""

import json
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.acting import config as acting_config
from musicrl_jax.cli import main
from musicrl_jax.core import errors
from musicrl_jax.runs import pretrain_soundstorm, run_config, run_inputs, system
from musicrl_jax.sampling import renderer


@pytest.fixture(scope="module")
def refined(networks, tiny, tmp_path_factory):
    """Networks whose codec has 6 levels, 4 of them the policy's, and a SoundStorm."""
    folder = tmp_path_factory.mktemp("refined") / "networks"
    shutil.copytree(networks, folder)
    tiny.write_codec(folder, levels=6)
    tiny.write_soundstorm(folder, levels=6, semantic_size=16)
    return folder


def run_of(folder, *, fine_levels):
    actor = acting_config.ActorConfig(fine_levels=fine_levels)
    return run_config.RunConfig(networks=str(folder), clip_seconds=1.0, actor=actor)


def test_listeners_hear_fine_levels_and_rewards_only_where_asked(refined):
    language = system.load_language(refined)
    sound = system.Sound(refined, language.policy)
    random = np.random.default_rng(0)
    tokens = jnp.asarray(random.integers(0, 16, (2, 25, 5)), jnp.int32)
    full, coarse = sound.render(tokens), sound.render_coarse(tokens)
    stage, params = pretrain_soundstorm.load(refined / system.SOUNDSTORM)
    keys = renderer.content_keys(tokens[..., 1:])
    codes = stage.refine(params, tokens[..., 1:], keys, tokens[..., 0])
    np.testing.assert_array_equal(codes[..., :4], tokens[..., 1:])
    _, codec_params = system.codecs.load(refined / "codec.safetensors")
    decoded = sound.codec.decode(codec_params, codes)
    np.testing.assert_allclose(full, decoded, atol=1e-5)
    assert jnp.abs(full - coarse).max() > 1e-3
    for fine_levels, wanted in ((False, coarse), (True, full)):
        run = run_of(refined, fine_levels=fine_levels)
        heard = system.make_actor(run, language, sound).render(tokens)
        np.testing.assert_array_equal(heard, wanted)


def test_a_run_whose_rewards_hear_it_is_pinned_to_its_content(refined):
    without = run_inputs.check(run_of(refined, fine_levels=False))
    hashes = run_inputs.check(run_of(refined, fine_levels=True))
    assert set(hashes) - set(without) == {system.SOUNDSTORM}


def test_rewards_cannot_hear_what_is_not_there(networks):
    language = system.load_language(networks)
    sound = system.Sound(networks, language.policy)
    assert not sound.has_fine
    with pytest.raises(errors.InputError, match=r"soundstorm\.safetensors"):
        system.make_actor(run_of(networks, fine_levels=True), language, sound)


def test_a_soundstorm_of_another_codec_is_refused(refined, tiny, tmp_path):
    copy = tmp_path / "networks"
    shutil.copytree(refined, copy)
    tiny.write_codec(copy, levels=5)
    language = system.load_language(copy)
    with pytest.raises(errors.InputError, match=r"the codec's \(5, 16\)"):
        system.Sound(copy, language.policy)


def test_generate_uses_it(refined, tmp_path, capsys):
    plain = tmp_path / "plain"
    shutil.copytree(refined, plain)
    (plain / system.SOUNDSTORM).unlink()
    levels = []
    for folder in (refined, plain):
        out = tmp_path / "a.wav"
        arguments = ["generate", "--prompt", "a waltz", "--seconds", "1", "--json"]
        with pytest.raises(SystemExit) as ended:
            main.main([*arguments, "--networks", str(folder), "--out", str(out)])
        assert not ended.value.code
        (row,) = json.loads(capsys.readouterr().out)["clips"]
        levels.append(row["rms_dbfs"])
    assert levels[0] != levels[1]


def test_fine_levels_are_off_unless_asked_for():
    assert not run_config.RunConfig().actor.fine_levels
