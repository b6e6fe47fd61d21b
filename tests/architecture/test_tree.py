"""What lies where: packages, gin files, names, ignores, markers of work undone."""

import ast
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = sorted((ROOT / "musicrl_jax").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
SHAPELESS_NAMES = {"utils", "util", "common", "helpers", "misc", "experimental"}
IGNORE = re.compile(r"# (?:noqa|type: ignore|pyright: ignore|pyright:)(.*)")
MAX_IGNORES = 10


def relative(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def test_gin_folder_holds_no_python():
    # A package there would shadow gin-config.
    assert relative((ROOT / "gin").rglob("*.py")) == []


def test_tests_are_no_package():
    assert relative((ROOT / "tests").rglob("__init__.py")) == []


def test_every_folder_with_code_is_a_package():
    folders = {path.parent for path in PACKAGE}
    assert [f for f in folders if not (f / "__init__.py").exists()] == []


def test_package_files_hold_a_docstring_only():
    for path in PACKAGE:
        if path.name == "__init__.py":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            assert ast.get_docstring(tree), path
            assert len(tree.body) == 1, path


def test_names_say_what_is_inside():
    parts = {part for p in PACKAGE for part in (p.stem, *p.relative_to(ROOT).parts)}
    assert parts & SHAPELESS_NAMES == set()


def test_no_future_annotations():
    # They switch off the shape checks of dataclass fields.
    written = "from __future__ import" + " annotations"
    assert [p for p in PACKAGE if written in p.read_text(encoding="utf-8")] == []


def test_type_ignores_are_few_and_give_reasons():
    found = []
    for path in PACKAGE:
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            match = IGNORE.search(line)
            if match:
                found.append((f"{path.relative_to(ROOT)}:{number}", match[1]))
    assert len(found) <= MAX_IGNORES, found
    assert [place for place, rest in found if " - " not in rest] == []


def test_tests_mirror_the_package():
    mirrored = {path.parent.relative_to(ROOT / "musicrl_jax") for path in PACKAGE}
    beside = {"architecture", "chaos", "end_to_end", "gin", "launch", "oracles"}
    beside |= {"peers", "starter"}
    strangers = [
        str(path.relative_to(ROOT))
        for path in TESTS
        if (folder := path.parent.relative_to(ROOT / "tests")) not in mirrored
        and folder.parts
        and folder.parts[0] not in beside
    ]
    assert strangers == []


def test_only_the_standard_library_is_shadowed_nowhere():
    names = {path.stem for path in PACKAGE} - {"__init__"}
    top_level = {path.name for path in (ROOT / "musicrl_jax").iterdir()}
    assert top_level & sys.stdlib_module_names == set()
    assert "gin" not in names | top_level
