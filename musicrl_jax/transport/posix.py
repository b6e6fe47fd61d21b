"""The store in a directory."""

import errno
import os
import pathlib
import uuid

from musicrl_jax.core import errors
from musicrl_jax.transport import keys

_SCRATCH = ".scratch"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_PLACE = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)
_NO_LINKS = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class PosixStore:
    """Files below a directory; link(2) is what makes creation atomic and exclusive."""

    def __init__(self, root: pathlib.Path, *, sync: bool = False) -> None:
        """Uses `root`, which is made if missing.

        Args:
          root: a directory on a local disk, NFS or another file system with links.
          sync: flush each object to the disk before it appears, against power loss.
        """
        self._root = root
        self._sync = sync

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Creates the object; see `Store`."""
        path = self._path(key)
        if path.exists():
            return False
        scratch = self._root / _SCRATCH / uuid.uuid4().hex
        try:
            scratch.parent.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._write(scratch, data)
                return _link(scratch, path)
            finally:
                scratch.unlink(missing_ok=True)
        except OSError as error:
            raise _explained("write", str(path), error) from error

    def get(self, key: str) -> bytes | None:
        """Returns the object or None."""
        path = self._path(key)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _explained("read", str(path), error) from error

    def list(self, prefix: str) -> list[str]:
        """Returns the sorted keys that begin with `prefix`."""
        folder, _, start = prefix.rpartition("/")
        top = self._root / folder
        found: list[str] = []
        try:
            for entry in _entries(top):
                if entry.name.startswith(start) and not entry.name.startswith("."):
                    found.extend(_files(entry, self._root))
        except OSError as error:
            raise _explained("list", str(top), error) from error
        return sorted(found)

    def delete(self, key: str) -> None:
        """Removes the object if it is there."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _explained("delete", str(path), error) from error

    def _path(self, key: str) -> pathlib.Path:
        keys.check_key(key)
        return self._root / key

    def _write(self, path: pathlib.Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data)
            if self._sync:
                file.flush()
                os.fsync(file.fileno())


def _link(source: pathlib.Path, target: pathlib.Path) -> bool:
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    return True


def _entries(folder: pathlib.Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _files(entry: os.DirEntry[str], root: pathlib.Path) -> list[str]:
    if not entry.is_dir(follow_symlinks=False):
        return [os.path.relpath(entry.path, root).replace(os.sep, "/")]
    return [
        name
        for child in _entries(pathlib.Path(entry.path))
        if not child.name.startswith(".")
        for name in _files(child, root)
    ]


def _explained(what: str, where: str, error: OSError) -> errors.MusicRLError:
    reason = error.strerror or type(error).__name__
    if error.errno in _FORBIDDEN:
        return errors.InputError(
            f"This process may not {what} {where}: {reason}. Give it the right there."
        )
    if error.errno in _NO_PLACE:
        return errors.InputError(
            f"A run directory must be a directory that can be made and written to; "
            f"could not {what} {where}: {reason}. Choose another."
        )
    if error.errno in _NO_LINKS:
        return errors.InputError(
            f"The run directory needs hard links; {where}: {reason}. "
            f"Name the run directory as file://{where} or as gs:// or s3://."
        )
    if error.errno in _FULL:
        return errors.TemporaryError(
            f"No room to {what} {where}: {reason}. Free some space and start again."
        )
    return errors.TemporaryError(f"Could not {what} {where}: {reason}. Start again.")
