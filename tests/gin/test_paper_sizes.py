"""The sizes of MuLan and MusicLM in `gin/models`, against sums on paper."""

import math
import pathlib

import jax
import pytest

from musicrl_jax.cli import bindings
from musicrl_jax.models.mulan import adapter as mulan
from musicrl_jax.models.musiclm import adapter as musiclm

MODELS = pathlib.Path(__file__).parents[2] / "gin" / "models"


def _count(tree) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def _transformer(width: int, layers: int) -> int:
    """Matrices of attention (4 w w) and of an MLP of four times the width (8 w w)."""
    return layers * 12 * width**2


def test_the_papers_mulan_has_towers_like_ast_and_bert_base():
    config = bindings.resolve("MulanConfig", [MODELS / "mulan_base.gin"]).config
    shapes = mulan.make_mulan(config).abstract_params()
    audio, text = (shapes["network"][name] for name in ("audio", "text"))
    assert _count(audio["stack"]) == pytest.approx(_transformer(768, 12), rel=0.01)
    assert _count(text["stack"]) == pytest.approx(_transformer(768, 12), rel=0.01)
    assert text["words"]["embedding"].shape == (30_522, 768)
    # AST has 87 million parameters (2104.01778), BERT-base 110 (1810.04805).
    assert 87e6 < _count(audio) < 120e6
    assert 105e6 < _count(text) < 115e6
    assert shapes["codebooks"].shape == (12, 1024, 128)


def test_the_papers_mulan_embeds_ten_seconds():
    config = bindings.resolve("MulanConfig", [MODELS / "mulan_base.gin"]).config
    made = mulan.make_mulan(config)
    shapes = made.abstract_params()
    sound = jax.ShapeDtypeStruct((2, 160_000), "float32")
    words = jax.ShapeDtypeStruct((2, 128), "int32")
    heard = jax.eval_shape(made.embed_audio, shapes, sound)
    read = jax.eval_shape(made.embed_text, shapes, words)
    assert heard.shape == read.shape == (2, 128)
    assert heard.dtype == read.dtype == "float32"


@pytest.mark.parametrize(
    ("size", "layout", "least", "most"),
    [
        ("tiny", None, 1e4, 1e5),
        ("starter", None, 3e6, 3.2e6),
        ("base", "layout_full", 0.4e9, 1e9),
    ],
)
def test_musiclm_is_as_large_as_its_transformers(size, layout, least, most):
    config = bindings.resolve("MusicLMConfig", [MODELS / f"musiclm_{size}.gin"]).config
    files = [MODELS / f"{layout}.gin"] if layout else []
    tokens = bindings.resolve("make_layout", files).config
    shapes = musiclm.make_policy(config, tokens).abstract_params()
    temporal = shapes["temporal"]["stack"]
    matrices = _transformer(config.width, config.layers)
    assert _count(temporal) == pytest.approx(matrices, rel=0.05)
    assert least < _count(shapes) < most
