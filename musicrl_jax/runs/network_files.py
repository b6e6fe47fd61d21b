"""Where the pretrained networks lie."""

import importlib.resources
import pathlib

from musicrl_jax.core import errors
from musicrl_jax.runs import run_config as run_configs

MUSICLM = "musiclm.safetensors"
MULAN = "mulan.safetensors"
QUALITY = "quality.safetensors"
PREFERENCE = "preference.safetensors"


def directory(directory: str = "") -> pathlib.Path:
    """Returns `directory`, or where the package keeps the starter's networks.

    Raises:
      InputError: there is no such directory.
    """
    path = pathlib.Path(directory) if directory else _packaged()
    if not path.is_dir():
        raise errors.InputError(
            f"The pretrained networks must lie in a directory; {path} is none. "
            "Pass the directory that `musicrl starter` wrote."
        )
    return path


def quality(
    config: run_configs.RewardConfig, folder: pathlib.Path
) -> pathlib.Path | None:
    """Returns the quality estimator's file: the run's, or the networks', or None.

    Raises:
      InputError: where quality is a reward and there is none.
    """
    own, weight = config.quality_weights, config.quality
    return _reward_file("quality", own, folder / QUALITY, weight)


def preference(
    config: run_configs.RewardConfig, folder: pathlib.Path
) -> pathlib.Path | None:
    """Returns the preference model's file, likewise.

    Raises:
      InputError: where preference is a reward and there is none.
    """
    own, weight = config.preference_weights, config.preference
    return _reward_file("preference", own, folder / PREFERENCE, weight)


def _reward_file(
    name: str, own: str, beside: pathlib.Path, weight: float
) -> pathlib.Path | None:
    if own:
        return pathlib.Path(own)
    if beside.is_file():
        return beside
    if weight:
        raise errors.InputError(
            f"RewardConfig.{name} of {weight} needs a network; there is no {beside}. "
            f"Set RewardConfig.{name}_weights to a file of `pretrain {name}`."
        )
    return None


def _packaged() -> pathlib.Path:
    with importlib.resources.as_file(
        importlib.resources.files("musicrl_jax") / "assets" / "starter"
    ) as path:
        return path
