"""Which split an item is of: a function of its name alone."""

import hashlib
import unicodedata

TRAIN = "train"
HELD_OUT = "held_out"


def split_of(key: str, held_out_share: float = 0.1) -> str:
    """Returns the split of an item: random over items, always the same for one.

    The order of the items and which others there are have no influence. A larger
    share moves items out of `TRAIN` and none into it. The default is that of the paper
    (section 4.1: 90 % for training, 10 % for evaluation).

    Args:
      key: the item's name; ways to write the same characters in Unicode are one.
      held_out_share: expected share of `HELD_OUT`, 0 to 1.
    """
    return HELD_OUT if place_of(key) < held_out_share else TRAIN


def place_of(key: str) -> float:
    """Returns a number in [0, 1): random over names, always the same for one."""
    name = unicodedata.normalize("NFC", key).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big") / 2**64
