"""Gin is strict: whatever a file says takes effect or is refused in one line."""

import pytest

from musicrl_jax.cli import bindings
from musicrl_jax.core import errors, layout

LAYOUT = """
TokenLayout.streams = (@semantic/Stream(), @coarse/Stream())
semantic/Stream.name = 'semantic'
coarse/Stream.name = 'coarse'
coarse/Stream.levels = 4
Stream.codebook_size = 256
"""


@pytest.fixture
def resolve(tmp_path):
    def build(text, params=(), overrides=None):
        path = tmp_path / "layout.gin"
        path.write_text(text)
        return bindings.resolve("TokenLayout", [path], params, overrides)

    return build


def refusal(resolve, text, *params):
    with pytest.raises(errors.InputError) as caught:
        resolve(text, params)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_builds_nested_config(resolve):
    config = resolve(LAYOUT).config
    assert isinstance(config, layout.TokenLayout)
    assert config.codebook_sizes == (256,) * 5
    assert config.frame_rate_hz == 25.0


def test_operative_text_repeats_the_config(resolve):
    first = resolve(LAYOUT, ["TokenLayout.frame_rate_hz = 50.0"])
    assert resolve(first.operative).config == first.config


def test_parameter_beats_file_and_option_beats_both(resolve):
    params = ["TokenLayout.frame_rate_hz = 50.0"]
    assert resolve(LAYOUT, params).config.frame_rate_hz == 50.0
    overrides = {"frame_rate_hz": 12.5}
    assert resolve(LAYOUT, params, overrides).config.frame_rate_hz == 12.5


def test_runs_do_not_leak_into_one_another(resolve):
    resolve(LAYOUT, ["TokenLayout.frame_rate_hz = 50.0"])
    assert resolve(LAYOUT).config.frame_rate_hz == 25.0


def test_refuses_unknown_name_with_its_place(resolve):
    message = refusal(resolve, LAYOUT + "TokenLayuot.frame_rate_hz = 1.0\n")
    assert "TokenLayuot" in message
    assert "layout.gin:7" in message


def test_refuses_unknown_argument(resolve):
    assert "frame_rate" in refusal(resolve, LAYOUT + "TokenLayout.frame_rate = 1.0\n")


def test_refuses_binding_without_effect(resolve):
    message = refusal(resolve, LAYOUT + "MeshConfig.data = 2\n")
    assert "MeshConfig.data" in message
    assert "effect" in message


def test_refuses_scoped_binding_without_effect(resolve):
    assert "Stream.levels" in refusal(resolve, LAYOUT + "fine/Stream.levels = 4\n")


def test_refuses_unused_macro(resolve):
    assert "WIDTH" in refusal(resolve, LAYOUT + "WIDTH = 192\n")


def test_refuses_undefined_macro(resolve):
    message = refusal(resolve, LAYOUT + "TokenLayout.frame_rate_hz = %RATE\n")
    assert message.startswith("A gin macro must have a value; %RATE has none.")


def test_refuses_wrong_type(resolve):
    message = refusal(resolve, LAYOUT + "TokenLayout.frame_rate_hz = 'fast'\n")
    assert "TokenLayout.frame_rate_hz must be float; got 'fast'" in message


def test_takes_integer_for_float_but_no_flag(resolve):
    config = resolve(LAYOUT, ["TokenLayout.frame_rate_hz = 50"]).config
    assert isinstance(config.frame_rate_hz, float)
    refusal(resolve, LAYOUT, "TokenLayout.frame_rate_hz = True")


def test_passes_on_what_a_config_refuses(resolve):
    message = refusal(resolve, LAYOUT, "Stream.codebook_size = 0")
    assert message.startswith("Stream.codebook_size must be at least 1; got 0")


def test_refuses_missing_argument(resolve):
    assert "streams" in refusal(resolve, "TokenLayout.frame_rate_hz = 25.0\n")


@pytest.mark.parametrize(
    "text",
    [
        "TokenLayout.frame_rate_hz == 3\n",
        "TokenLayout.frame_rate_hz = (1,\n",
        "TokenLayout.frame_rate_hz =\n",
        "TokenLayout.frame_rate_hz = 'abc\n",
        "a word\n",
        "import os\n",
        "include 'no_such_file.gin'\n",
        "include 'gin/no_such_experiment'\n",
    ],
)
def test_refuses_what_does_not_parse(resolve, text):
    refusal(resolve, text)


def test_refuses_self_inclusion(tmp_path):
    path = tmp_path / "loop.gin"
    path.write_text(f"include '{path}'\n")
    with pytest.raises(errors.InputError, match="include itself"):
        bindings.resolve("TokenLayout", [path])


def test_refuses_binary_file(tmp_path):
    path = tmp_path / "binary.gin"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(errors.InputError, match="UTF-8"):
        bindings.resolve("TokenLayout", [path])
