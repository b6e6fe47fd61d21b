"""Trajectories: what an actor writes once and a learner reads, checked at both ends."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Int16, Int32, Int64

from musicrl_jax.core import errors
from musicrl_jax.core import layout as layouts
from musicrl_jax.transport import keys, wire

_ARRAYS = ("tokens", "log_probs", "conditioning", "rewards", "prompts")
_PART = "reward/"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trajectory:
    """Clips that one actor sampled in one go with one set of weights.

    Attributes:
      policy_step: learner step of the weights.
      epoch: learner epoch of the weights.
      digest: of the weights, as published.
      actor: the actor's name.
      seq: the actor's count of its trajectories.
      nonce: drawn by the actor at its start; tells two actors of one name apart.
      temperature: of sampling.
      config_hash: of the run's configuration.
      tokens: ids, each below its position's codebook size.
      log_probs: natural log of pi_T(token | state) at `temperature`.
      conditioning: MuLan tokens.
      rewards: what the policy is trained on.
      reward_parts: the named scores that make up `rewards`.
      captions: one for each clip.
      prompts: number of each caption in the caption file.
    """

    policy_step: int
    epoch: int
    digest: str
    actor: str
    seq: int
    nonce: str
    temperature: float
    config_hash: str
    tokens: Int16[np.ndarray, "b f q"]
    log_probs: Float32[np.ndarray, "b f q"]
    conditioning: Int32[np.ndarray, "b k"]
    rewards: Float32[np.ndarray, " b"]
    reward_parts: Mapping[str, Float32[np.ndarray, " b"]]
    captions: Sequence[str]
    prompts: Int64[np.ndarray, " b"]

    @property
    def identity(self) -> keys.TrajectoryId:
        """Who sampled it, with which weights."""
        return keys.TrajectoryId(self.policy_step, self.actor, self.seq)

    @property
    def key(self) -> str:
        """Where it lies in the store."""
        return self.identity.key

    @property
    def num_clips(self) -> int:
        """The length of axis b."""
        return len(self.rewards)

    def is_finite(self) -> bool:
        """Says whether every log-probability and reward is a number."""
        arrays = (self.log_probs, self.rewards, *self.reward_parts.values())
        return all(bool(np.isfinite(array).all()) for array in arrays)


def to_bytes(trajectory: Trajectory) -> bytes:
    """Returns the object that stands for `trajectory`."""
    arrays = {name: getattr(trajectory, name) for name in _ARRAYS}
    parts = {_PART + name: part for name, part in trajectory.reward_parts.items()}
    header = {name: getattr(trajectory, name) for name in _SCALARS}
    header["captions"] = list(trajectory.captions)
    return wire.encode(wire.Frame(header=header, arrays=arrays | parts))


def from_bytes(data: bytes, token_layout: layouts.TokenLayout) -> Trajectory:
    """Returns the trajectory in `data`, whose types, shapes and ranges are right.

    Numbers may still be infinite or not numbers; see `Trajectory.is_finite`.

    Raises:
      FrameError: where anything else is wrong.
    """
    frame = wire.decode(data)
    scalars = _scalars(frame.header)
    tokens = wire.check_array(
        "tokens",
        frame.arrays.get("tokens"),
        np.int16,
        (None, None, token_layout.tokens_per_frame),
    )
    wire.check_tokens(tokens, token_layout)
    clips = tokens.shape[0]
    captions = frame.header.get("captions")
    if not isinstance(captions, list) or len(captions) != clips or not clips:
        raise wire.FrameError(f"{clips} clips need one caption each")

    def array(name: str, dtype: type[np.generic], *shape: int | None) -> np.ndarray:
        return wire.check_array(name, frame.arrays.get(name), dtype, (clips, *shape))

    return Trajectory(
        **scalars,
        captions=tuple(str(caption) for caption in captions),
        tokens=tokens,
        log_probs=array("log_probs", np.float32, *tokens.shape[1:]),
        conditioning=array("conditioning", np.int32, None),
        rewards=array("rewards", np.float32),
        prompts=array("prompts", np.int64),
        reward_parts={
            name.removeprefix(_PART): array(name, np.float32)
            for name in frame.arrays
            if name.startswith(_PART)
        },
    )


def check_own(trajectory: Trajectory, token_layout: layouts.TokenLayout) -> bytes:
    """Returns the object of an actor's own trajectory after checking it.

    Raises:
      InvariantError: where the actor's own numbers are wrong.
    """
    try:
        data = to_bytes(trajectory)
        from_bytes(data, token_layout)
    except wire.FrameError as error:
        raise errors.InvariantError(
            f"Actor {trajectory.actor} made a trajectory that the learner would "
            f"refuse: {error}. Compare its token layout and networks with the run's."
        ) from error
    return data


_SCALARS = {
    "policy_step": int,
    "epoch": int,
    "digest": str,
    "actor": str,
    "seq": int,
    "nonce": str,
    "temperature": float,
    "config_hash": str,
}


def _scalars(header: Mapping[str, object]) -> dict[str, Any]:
    for name, kind in _SCALARS.items():
        if type(header.get(name)) is not kind:
            raise wire.FrameError(
                f"header field {name!r} must be {kind.__name__}; got {header.get(name)}"
            )
    return {name: header[name] for name in _SCALARS}
