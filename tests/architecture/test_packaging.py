"""The lock and the metadata agree, and name no machine or index."""

import configparser
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
LOCKS = {"requirements.lock": ("corpus", "dev"), "requirements-data.lock": ("data",)}


def canonical(requirement):
    name = re.match(r"[A-Za-z0-9._-]+", requirement)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(extras):
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    texts = [config["options"]["install_requires"]]
    texts += [config["options.extras_require"][extra] for extra in extras]
    return [line.strip() for text in texts for line in text.split("\n") if line.strip()]


def pins(name):
    """Returns the version of each package of a lock."""
    found = re.findall(
        r"^([\w.\[\]-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE
    )
    return {canonical(package): version for package, version in found}


@pytest.mark.parametrize("name", LOCKS)
def test_lock_holds_every_requirement(name):
    wanted = {canonical(requirement) for requirement in requirements(LOCKS[name])}
    assert wanted - pins(name).keys() == set()


def test_locks_agree_on_versions():
    plain, data = (pins(name) for name in LOCKS)
    shared = plain.keys() & data.keys()
    assert {package: plain[package] for package in shared} == {
        package: data[package] for package in shared
    }


def test_the_heavy_packages_are_in_their_own_lock():
    assert not {"tensorflow", "seqio"} & pins("requirements.lock").keys()


@pytest.mark.parametrize("name", LOCKS)
def test_each_locked_package_has_hashes(name):
    lock = (ROOT / name).read_text()
    packages = re.split(r"\n(?=[a-z0-9])", lock)
    pinned = [text for text in packages if re.match(r"[a-z0-9._\[\]-]+==", text)]
    assert len(pinned) > 30
    assert [text for text in pinned if "--hash=sha256:" not in text] == []


@pytest.mark.parametrize("name", LOCKS)
def test_lock_names_no_index(name):
    lock = (ROOT / name).read_text()
    assert (
        re.findall(r"https?://|file://|--index|--extra-index|--find-links", lock) == []
    )
