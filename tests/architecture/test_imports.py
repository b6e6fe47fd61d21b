"""Actor, learner, demo and generation work without TensorFlow; `--help` is quick."""

import subprocess
import sys

import pytest

BLOCKED = ("tensorflow", "seqio", "tensorflow_datasets")
PROCESSES = (
    "learner",
    "actor",
    "evaluator",
    "finetune",
    "generate",
    "demo",
    "caption_mixture",
    "tokenize_corpus",
)


def python(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def blocking(code):
    """Returns `code` behind an importer that refuses the blocked packages."""
    return f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ImportError(f"{{name}} must not be needed")
sys.meta_path.insert(0, Refuse())
{code}
"""


def test_the_block_blocks():
    with pytest.raises(AssertionError, match="must not be needed"):
        python(blocking("import tensorflow"))


def test_processes_need_no_tensorflow():
    modules = "\n".join(f"import musicrl_jax.runs.{name}" for name in PROCESSES)
    python(blocking(f"import musicrl_jax\n{modules}"))


def test_help_needs_no_heavy_package():
    code = """
import sys
import musicrl_jax.cli.main
heavy = {"jax", "flax", "numpy", "orbax", "tensorstore", "matplotlib", "gin"}
print(sorted(heavy & set(sys.modules)))
"""
    assert python(code).strip() == "[]"
