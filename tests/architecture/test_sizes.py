"""Files and functions stay short enough to be read at one go."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = sorted((ROOT / "musicrl_jax").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
MAX_EXPERIMENT_LINES = 15


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def code_lines(function):
    """Returns a function's length without its docstring."""
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


@pytest.mark.parametrize("paths", [PACKAGE, TESTS], ids=["package", "tests"])
def test_files_are_short(paths):
    lengths = {path: len(path.read_text().splitlines()) for path in paths}
    assert {p: n for p, n in lengths.items() if n > MAX_FILE_LINES} == {}


def test_functions_are_short():
    long = {
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}": lines
        for path in PACKAGE
        for function in functions(path)
        if (lines := code_lines(function)) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_experiments_are_short():
    paths = (ROOT / "gin" / "experiments").glob("*.gin")
    lengths = {path.name: len(path.read_text().splitlines()) for path in paths}
    assert {p: n for p, n in lengths.items() if n > MAX_EXPERIMENT_LINES} == {}
