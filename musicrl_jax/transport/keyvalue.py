"""The store over tensorstore's key-value drivers: GCS, S3, files, memory."""

import tensorstore

from musicrl_jax.core import errors
from musicrl_jax.transport import keys as names


class KvStore:
    """A tensorstore key-value store: Google Cloud Storage, S3, files or memory."""

    def __init__(self, url: str) -> None:
        """Opens `url`, such as `gs://bucket/run`.

        Raises:
          InputError: where tensorstore has no driver for it.
        """
        self._url = url if url.endswith("/") else f"{url}/"
        try:
            self._kv = tensorstore.KvStore.open(self._url).result()
        except ValueError as error:
            raise errors.InputError(
                "A run directory is a path or a gs://, s3:// or file:// address; "
                f"{url} is not ({_reason(error)}). Name another."
            ) from error

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Creates the object with a conditional write; see `Store`."""
        names.check_key(key)
        try:
            current = self._kv.read(key).result()
            if current.state != "missing":
                return False
            absent = current.stamp.generation
            written = self._kv.write(key, data, if_equal=absent).result()
        except ValueError as error:
            raise _remote_error("write", self._url + key, error) from error
        return bool(written.generation)

    def get(self, key: str) -> bytes | None:
        """Returns the object or None."""
        names.check_key(key)
        try:
            found = self._kv.read(key).result()
        except ValueError as error:
            raise _remote_error("read", self._url + key, error) from error
        return None if found.state == "missing" else bytes(found.value)

    def list(self, prefix: str) -> list[str]:
        """Returns the sorted keys that begin with `prefix`."""
        keys = tensorstore.KvStore.KeyRange(prefix, _successor(prefix))
        try:
            found = self._kv.list(keys).result()
        except ValueError as error:
            raise _remote_error("list", self._url + prefix, error) from error
        names = (name.decode() for name in found)
        return sorted(name for name in names if not _hidden(name))

    def delete(self, key: str) -> None:
        """Removes the object if it is there."""
        names.check_key(key)
        try:
            self._kv.write(key, None).result()
        except ValueError as error:
            raise _remote_error("delete", self._url + key, error) from error


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _successor(prefix: str) -> str:
    """Returns the first string after all that begin with `prefix` ("" means no end)."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else ""


def _remote_error(what: str, where: str, error: ValueError) -> errors.MusicRLError:
    reason = _reason(error)
    if reason.startswith(("PERMISSION_DENIED", "UNAUTHENTICATED", "INVALID_ARGUMENT")):
        return errors.InputError(
            f"This process could not {what} {where}: {reason}. "
            "Check the address and the rights of this process."
        )
    return errors.TemporaryError(f"Could not {what} {where}: {reason}. Start again.")


def _reason(error: ValueError) -> str:
    return " ".join(str(error).split())
