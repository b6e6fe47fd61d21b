"""Axis letters of every signature in the package, and three aliases.

A letter means the same in every file:

    b  clips in a batch            f  frames of a clip (25 Hz by default)
    q  tokens of one frame         v  entries of the largest codebook
    t  tokens of a clip, f * q     k  conditioning tokens (MuLan codes)
    n  audio samples               m  mel bands
    l  codec levels (RVQ)          w  text tokens of a caption
    d  features of a state         e  features of a joint embedding, or of a head
    h  attention heads             s  places that attention looks at
"""

from collections.abc import Mapping
from typing import Any

Params = Mapping[str, Any]
"""A tree of parameters: nested mappings with arrays at the leaves."""

Tree = Any
"""Any tree whose leaves are arrays (or shapes, or shardings), of any structure."""

Size = Any
"""The length of an axis: an int, or a symbol while a program is exported."""
