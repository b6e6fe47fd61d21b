"""The lock and the metadata agree, and name no machine or index."""

import configparser
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
LOCKED_EXTRAS = ("corpus", "dev")


def canonical(requirement):
    name = re.match(r"[A-Za-z0-9._-]+", requirement)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    texts = [config["options"]["install_requires"]]
    texts += [config["options.extras_require"][extra] for extra in LOCKED_EXTRAS]
    return [line.strip() for text in texts for line in text.split("\n") if line.strip()]


def test_lock_holds_every_requirement():
    lock = (ROOT / "requirements.lock").read_text()
    pins = {canonical(line) for line in lock.splitlines() if "==" in line}
    assert {canonical(name) for name in requirements()} - pins == set()


def test_each_locked_package_has_hashes():
    lock = (ROOT / "requirements.lock").read_text()
    packages = re.split(r"\n(?=[a-z0-9])", lock)
    pinned = [text for text in packages if re.match(r"[a-z0-9._\[\]-]+==", text)]
    assert len(pinned) > 30
    assert [text for text in pinned if "--hash=sha256:" not in text] == []


def test_lock_names_no_index():
    lock = (ROOT / "requirements.lock").read_text()
    assert (
        re.findall(r"https?://|file://|--index|--extra-index|--find-links", lock) == []
    )
