"""What a TPU VM is sent: all that its installation and its roles read."""

import re
import tarfile

import pytest

from musicrl_jax.core import errors
from musicrl_jax.runs import gcloud, packed_checkout


def names(archive):
    with tarfile.open(archive) as opened:
        return set(opened.getnames())


def test_packs_what_a_machine_needs(tmp_path):
    for name in packed_checkout.NEEDED:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / "gin" / "__pycache__").mkdir()
    (tmp_path / ".venv").mkdir()
    (tmp_path / "networks").mkdir()
    archive = tmp_path / "a.tar.gz"
    packed_checkout.pack(archive, tmp_path)
    found = names(archive)
    assert {"networks", *(f"{name}/file" for name in packed_checkout.NEEDED)} <= found
    assert not [name for name in found if ".venv" in name or "__pycache__" in name]


def test_packs_every_file_that_the_installation_reads(tmp_path):
    read = re.findall(r"--requirement (\S+)", " ".join(gcloud.INSTALL))
    assert read
    archive = tmp_path / "a.tar.gz"
    packed_checkout.pack(archive)
    assert set(read) - names(archive) == set()


def test_this_is_a_checkout_and_an_empty_folder_none(tmp_path):
    checkout = packed_checkout.CHECKOUT
    assert [n for n in packed_checkout.NEEDED if not (checkout / n).exists()] == []
    with pytest.raises(errors.InputError, match=r"lacks LICENSE, README\.md"):
        packed_checkout.pack(tmp_path / "a.tar.gz", tmp_path)
