"""Gin files with what they include."""

import pytest

from musicrl_jax.cli import gin_files
from musicrl_jax.core import errors


def test_a_file_comes_with_all_that_it_includes(tmp_path):
    inner, middle, outer = (tmp_path / f"{name}.gin" for name in "abc")
    inner.write_text("LearnerConfig.steps = 3\n")
    middle.write_text(f"include '{inner}'\n")
    outer.write_text(f"include '{middle}'\nLearnerConfig.steps = 4\n")
    assert gin_files.with_includes(str(outer)) == [outer, middle, inner]
    found = gin_files.with_includes("musicrl_u_starter")
    assert found[0].name == "musicrl_u_starter.gin"
    assert "finetune.gin" in {path.name for path in found}


def test_a_file_that_includes_itself_is_refused(tmp_path):
    path = tmp_path / "a.gin"
    path.write_text(f"include '{path}'\n")
    with pytest.raises(errors.InputError, match="must not include itself"):
        gin_files.with_includes(str(path))
