"""One configuration for all roles of a run."""

import difflib
import hashlib

from musicrl_jax.core import errors
from musicrl_jax.transport import store as stores

TEXT = "config/run.json"
_HASH = "config/hash"


def register(store: stores.Store, text: str) -> str:
    """Writes the run's configuration, or compares it with the one that is there.

    Args:
      store: of the run.
      text: the resolved configuration that must be equal for all roles.

    Returns:
      Its hash.

    Raises:
      ConfigMismatchError: where the run has another; the text shows the difference.
    """
    own = hashlib.sha256(text.encode()).hexdigest()
    store.put_if_absent(TEXT, text.encode())
    stands = (store.get(TEXT) or b"").decode()
    if stands != text:
        raise errors.ConfigMismatchError(
            "Every role of a run needs the configuration that the run began with; "
            f"this one differs: {_difference(stands, text)}. Use another run directory "
            "or the same configuration."
        )
    store.put_if_absent(_HASH, own.encode())
    return own


def _difference(stands: str, text: str) -> str:
    lines = difflib.unified_diff(
        stands.splitlines(), text.splitlines(), "", "", lineterm="", n=0
    )
    changes = [line for line in lines if line[0] in "+-"][2:]
    shown = "; ".join(changes[:6])
    return shown + (f"; and {len(changes) - 6} more" if len(changes) > 6 else "")
