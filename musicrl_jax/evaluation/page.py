"""Pages that need nothing else: pictures and sounds stand in them as data."""

import base64
from collections.abc import Mapping

import jinja2


def environment(pictures: Mapping[str, bytes]) -> jinja2.Environment:
    """Returns what renders this folder's templates; text is escaped.

    Args:
      pictures: PNG files by name; the filter `png` turns a name into the picture.
    """
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("musicrl_jax.evaluation"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["png"] = lambda name: data_url("image/png", pictures[name])
    made.filters["flac"] = lambda content: data_url("audio/flac", content)
    return made


def data_url(kind: str, content: bytes) -> str:
    """Returns an address that holds a file of a MIME type itself."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
