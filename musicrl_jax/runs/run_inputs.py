"""What a run reads: checked before anything is written, and named by its content.

A run's reference policy, rewards and prompts come from files. Their hashes are part of
the configuration that a run directory keeps, so that a role with other networks is
refused, however its paths read.
"""

import hashlib
import json
import pathlib
from typing import Any

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors
from musicrl_jax.data import captions
from musicrl_jax.runs import (
    codecs,
    network_files,
    own_rewards,
    pretrain_mulan,
    pretrain_musiclm,
    pretrain_preference,
    pretrain_quality,
    run_config,
    system,
)
from musicrl_jax.transport import configuration
from musicrl_jax.transport import store as stores

NETWORKS = {
    "musiclm.safetensors": pretrain_musiclm.check,
    "codec.safetensors": codecs.check,
    "mulan.safetensors": pretrain_mulan.check,
}
_WINDOWS = 3  # of a clip, each of which MuLan hears by itself


def check(config: run_config.RunConfig) -> dict[str, str]:
    """Looks at all that a run reads; writes nothing.

    Returns:
      The SHA-256 of each file, by what it is.

    Raises:
      InputError: a file or a reward of your own is missing or damaged, or clips are
        too short for MuLan.
    """
    directory = system.networks_directory(config.networks)
    files = {name: directory / name for name in NETWORKS}
    files[system.MUSICLM] = system.policy_file(directory, config.policy)
    for name, check_file in NETWORKS.items():
        check_file(files[name])
    _check_length(config, weights.read_config(directory / "mulan.safetensors")[1])
    hashes = {name: _sha256(path) for name, path in files.items()}
    prompts = directory / system.HELD_OUT_PROMPTS
    if not prompts.is_file():
        raise errors.InputError(
            f"The evaluator's prompts must lie beside the networks; there is no "
            f"{prompts}. Write them with `musicrl starter`, or copy them there."
        )
    hashes["prompts"] = _sha256(prompts)
    if config.actor.fine_levels:
        weights.read_config(directory / system.SOUNDSTORM)
        hashes[system.SOUNDSTORM] = _sha256(directory / system.SOUNDSTORM)
    if (path := network_files.quality(config.reward, directory)) is not None:
        pretrain_quality.check(path)
        hashes["quality"] = _sha256(path)
    if (path := network_files.preference(config.reward, directory)) is not None:
        pretrain_preference.check(path)
        hashes["preference"] = _sha256(path)
    hashes |= own_rewards.hashes(config.reward.extra)
    file = captions.CaptionFile(system.captions_file(config))
    return hashes | {"captions": file.content_hash}


def open_run(config: run_config.RunConfig) -> tuple[stores.Store, str]:
    """Opens the run directory and agrees with it on configuration and inputs.

    Returns:
      The store of the run, and the hash that trajectories and publications carry.

    Raises:
      InputError: no run directory was given, or see `check`.
      ConfigMismatchError: the run was begun with another config; shows what differs.
    """
    if not config.run_dir:
        raise errors.InputError(
            "A run needs a directory; got none. Pass --run_dir DIR."
        )
    shared = run_config.shared_fields(config) | {"inputs": check(config)}
    store = stores.open_store(config.run_dir)
    text = json.dumps(shared, indent=1, sort_keys=True)
    return store, configuration.register(store, text)


def _check_length(config: run_config.RunConfig, mulan: dict[str, Any]) -> None:
    least = _WINDOWS * float(mulan.get("min_seconds", 0.0))
    if config.clip_seconds < least:
        raise errors.InputError(
            f"Clips must last {least:g} s or more, for MuLan to hear each third; got "
            f"{config.clip_seconds:g}. Set RunConfig.clip_seconds."
        )


def _sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
