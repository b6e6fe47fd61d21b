"""A codec of whichever family a weights file holds."""

import pathlib
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
    loaders: dict[str, Any] = {pretrain_soundstream.NETWORK: pretrain_soundstream.load}
    network, _ = weights.read_config(path)
    return loaders.get(network, pretrain_codec.load)(path)
