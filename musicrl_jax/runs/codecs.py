"""A codec of whichever family a weights file holds."""

import pathlib
from collections.abc import Mapping
from typing import Any

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import arrays
from musicrl_jax.models.codec import adapter as spectral
from musicrl_jax.models.soundstream import adapter as soundstream
from musicrl_jax.runs import pretrain_codec, pretrain_soundstream

AnyCodec = spectral.SpectralCodec | soundstream.SoundStream


def load(path: pathlib.Path) -> tuple[AnyCodec, arrays.Params]:
    """Returns the codec and parameters of a weights file, spectral or SoundStream.

    Raises:
      InputError: where the file is damaged or of another network.
    """
    return _family(path).load(path)


def check(path: pathlib.Path) -> None:
    """Refuses what `load` would, without reading the parameters."""
    _family(path).check(path)


def from_config(
    network: str, fields: Mapping[str, Any]
) -> tuple[AnyCodec, arrays.Params]:
    """Returns the codec of a stored configuration, and its parameters' shapes."""
    if network == pretrain_soundstream.NETWORK:
        streaming = pretrain_soundstream.make(fields)
        return streaming, soundstream.abstract_params(streaming.config)
    codec = pretrain_codec.make(fields)
    return codec, spectral.abstract_params(codec.config)


def _family(path: pathlib.Path) -> Any:  # noqa: ANN401 - a module
    """Returns the module of the codec's training; the spectral codec's for others."""
    network, _ = weights.read_config(path)
    streaming = network == pretrain_soundstream.NETWORK
    return pretrain_soundstream if streaming else pretrain_codec
