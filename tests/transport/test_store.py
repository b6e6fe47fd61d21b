"""The store's contract, the same for every kind of store."""

import errno
import os
import pathlib
import resource
import subprocess
import sys

import pytest

from musicrl_jax.core import errors
from musicrl_jax.transport import posix, store

_RACER = """
import sys
from musicrl_jax.transport import store
opened, name = store.open_store(sys.argv[1]), sys.argv[2]
sys.stdin.readline()
data = name.encode() * 999
won = [i for i in range(60) if opened.put_if_absent(f"race/{i:03d}", data)]
sys.stdout.write(" ".join(map(str, won)))
"""


@pytest.fixture(params=["posix", "file", "memory"])
def opened(request, tmp_path):
    """A store of each kind."""
    urls = {
        "posix": str(tmp_path / "run"),
        "file": f"file://{tmp_path}/run",
        "memory": f"memory://{tmp_path.name}",
    }
    return store.open_store(urls[request.param])


def test_an_object_is_created_once_and_never_changed(opened):
    assert opened.put_if_absent("traj/a", b"first")
    assert not opened.put_if_absent("traj/a", b"second")
    assert opened.get("traj/a") == b"first"


def test_an_absent_object_is_none_and_deleting_it_is_no_error(opened):
    assert opened.get("traj/none") is None
    opened.delete("traj/none")
    opened.put_if_absent("traj/a", b"")
    assert opened.get("traj/a") == b""
    opened.delete("traj/a")
    assert opened.get("traj/a") is None
    assert opened.put_if_absent("traj/a", b"again")


def test_listing_is_by_prefix_and_sorted(opened):
    for key in ("traj/10_b", "traj/02_a", "traj/10_a", "published/1", "traj2/x"):
        opened.put_if_absent(key, b"x")
    assert opened.list("traj/") == ["traj/02_a", "traj/10_a", "traj/10_b"]
    assert opened.list("traj/10") == ["traj/10_a", "traj/10_b"]
    assert opened.list("nothing/") == []
    assert len(opened.list("")) == 5


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/.b", "a/"])
def test_keys_that_leave_the_store_are_refused(opened, key):
    for use in (opened.get, opened.delete, lambda k: opened.put_if_absent(k, b"")):
        with pytest.raises(errors.InputError, match="key"):
            use(key)


def test_every_kind_satisfies_the_protocol(opened):
    assert isinstance(opened, store.Store)


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_processes_that_race_for_an_object_have_one_winner(tmp_path, scheme):
    url = f"{scheme}{tmp_path}/run"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, url, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "abc"
    ]
    won = [racer.communicate("go\n", timeout=60)[0].split() for racer in racers]
    assert sorted(int(i) for mine in won for i in mine) == list(range(60))
    opened = store.open_store(url)
    for name, mine in zip("abc", won, strict=True):
        for number in mine:
            assert opened.get(f"race/{int(number):03d}") == name.encode() * 999
    assert len(opened.list("")) == 60


def test_unfinished_writes_are_not_listed(tmp_path):
    opened = posix.PosixStore(tmp_path)
    (tmp_path / ".scratch").mkdir()
    (tmp_path / ".scratch" / "torn").write_bytes(b"half")
    opened.put_if_absent("traj/a", b"x")
    assert opened.list("") == ["traj/a"]


@pytest.fixture
def file_limit():
    """Lets no file grow beyond 1,000 bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_a_temporary_error_that_leaves_nothing(url, file_limit):
    opened = store.open_store(url)
    assert opened.put_if_absent("traj/small", b"x" * 999)
    with pytest.raises(errors.TemporaryError, match="write") as caught:
        opened.put_if_absent("traj/large", b"x" * 2000)
    assert "\n" not in str(caught.value)
    assert opened.list("") == ["traj/small"]
    assert opened.get("traj/large") is None


@pytest.mark.parametrize(
    ("number", "kind", "remedy"),
    [
        (errno.EACCES, errors.InputError, "Give it the right"),
        (errno.EROFS, errors.InputError, "Give it the right"),
        (errno.ENOSPC, errors.TemporaryError, "Free some space"),
        (errno.EOPNOTSUPP, errors.InputError, "hard links"),
        (errno.EIO, errors.TemporaryError, "Start again"),
    ],
)
def test_each_fault_of_the_disk_has_its_error_and_remedy(
    tmp_path, monkeypatch, number, kind, remedy
):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    opened = posix.PosixStore(tmp_path)
    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(kind, match=remedy) as caught:
        opened.put_if_absent("traj/a", b"data")
    assert str(tmp_path / "traj/a") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_where_a_folder_should_be_is_one_line(tmp_path):
    (tmp_path / "traj").write_text("in the way")
    for url in (str(tmp_path), f"file://{tmp_path}"):
        with pytest.raises(errors.MusicRLError, match="traj") as caught:
            store.open_store(url).put_if_absent("traj/a", b"data")
        assert "\n" not in str(caught.value)


def test_an_unknown_scheme_is_an_input_error():
    with pytest.raises(errors.InputError, match="ftp://host"):
        store.open_store("ftp://host/run")


def test_a_synced_store_holds_the_same(tmp_path):
    opened = posix.PosixStore(pathlib.Path(tmp_path), sync=True)
    assert opened.put_if_absent("traj/a", b"x")
    assert opened.get("traj/a") == b"x"
