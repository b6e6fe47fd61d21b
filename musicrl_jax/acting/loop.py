"""The actor process: pull weights, hold back or act, send, until told to stop."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Key

from musicrl_jax.acting import actor as actors
from musicrl_jax.acting import config as configs
from musicrl_jax.core import arrays, errors, protocols, rng
from musicrl_jax.transport import publications, trajectories, waits, writer

USELESS_BATCHES = 3
"""Batches in a row without a finite reward after which an actor gives up."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
    """Verified weights and the publication that names them."""

    params: arrays.Params
    publication: publications.Publication


@runtime_checkable
class WeightSource(Protocol):
    """Where an actor gets its policy from."""

    def newer_than(self, current: Weights | None) -> Weights | None:
        """Returns the newest verified weights, None where `current` are they."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prompts:
    """The captions of one trajectory and their numbers in the caption file."""

    captions: tuple[str, ...]
    numbers: tuple[int, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActingLoop:
    """Everything an actor process needs; `run` is the process.

    Attributes:
      name: of this actor, part of its trajectories' keys.
      actor: samples and scores.
      config: batch size and back-pressure.
      temperature: of sampling, sent along and checked by the learner.
      config_hash: of the run, sent along.
      weights: where policies come from.
      writer: where trajectories go.
      prompts: the captions of trajectory number n, a pure function of n.
      key: root of this actor's randomness.
      metrics: takes rates, rewards and waiting times, by trajectory number.
      finished: whether the learner is done.
      heartbeat: is told the numbers of each trajectory.
      patience: for the first weights, a full store and a full disk; its `meanwhile`
        raises `Preempted` when this process is to stop.
    """

    name: str
    actor: actors.Actor
    config: configs.ActorConfig
    temperature: float
    config_hash: str
    weights: WeightSource
    writer: writer.TrajectoryWriter
    prompts: Callable[[int], Prompts]
    key: Key[Array, ""]
    metrics: protocols.MetricWriter
    finished: Callable[[], bool]
    heartbeat: Callable[[Mapping[str, float | int | str]], None]
    patience: waits.Patience
    clock: Callable[[], float] = time.monotonic

    def run(self) -> None:
        """Acts until the learner is done.

        Raises:
          Preempted: the process was asked to stop.
          TemporaryError: the learner published or consumed nothing for too long.
        """
        weights: Weights | None = None
        counts = _Counts(started=self.clock())
        while not self.finished():
            waiting = self.clock()
            weights = self._weights(weights)
            if weights is None or not self._wait_for_room():
                return
            counts.waited += self.clock() - waiting
            self._act(weights, counts)

    def _weights(self, current: Weights | None) -> Weights | None:
        """Returns the newest weights; None where the run ended before any came."""
        newer = self.weights.newer_than(current)
        if newer is not None or current is not None:
            return newer or current
        patience = dataclasses.replace(
            self.patience, timeout_seconds=self.config.publication_timeout_seconds
        )
        found = waits.wait_for(
            lambda: self.weights.newer_than(None) or (self.finished() or None),
            "the learner's first weights",
            patience,
        )
        return found if isinstance(found, Weights) else None

    def _wait_for_room(self) -> bool:
        """Waits while the store is full; returns False where the run has ended."""
        most = max(1, self.config.max_pending_clips // self.config.clips)

        def look() -> bool | None:
            if self.finished():
                return False
            return True if self.writer.backlog() < most else None

        return waits.wait_for(
            look,
            f"the learner to use some of {most} pending trajectories",
            self.patience,
        )

    def _act(self, weights: Weights, counts: "_Counts") -> None:
        seq = self.writer.next_seq
        prompts = self.prompts(seq)
        first = seq * self.config.clips
        keys = rng.clip_keys(
            self.key, f"actor/{self.name}", first, len(prompts.captions)
        )
        scored = self.actor.act(weights.params, prompts.captions, keys)
        kept = np.flatnonzero(scored.usable())
        counts.add(scored, kept)
        if len(kept):
            trajectory = self._trajectory(
                weights.publication, seq, prompts, scored, kept
            )
            self.writer.write(trajectory, self.patience)
        else:
            self.writer.next_seq += 1
            counts.check_reward()
        row = counts.row(scored, kept, self.clock())
        row["policy_step"] = weights.publication.step
        self.metrics.write(seq, row)
        self.heartbeat(row)

    def _trajectory(
        self,
        publication: publications.Publication,
        seq: int,
        prompts: Prompts,
        scored: actors.Scored,
        kept: np.ndarray,
    ) -> trajectories.Trajectory:
        """Returns the record of those clips whose numbers are finite."""
        parts = {
            name: np.asarray(score[kept], np.float32)
            for name, score in scored.scores.items()
            if name != "total"
        }
        return trajectories.Trajectory(
            policy_step=publication.step,
            epoch=publication.epoch,
            digest=publication.digest,
            actor=self.name,
            seq=seq,
            nonce=self.writer.nonce,
            temperature=self.temperature,
            config_hash=self.config_hash,
            tokens=scored.tokens[kept].astype(np.int16),
            log_probs=scored.log_probs[kept].astype(np.float32),
            conditioning=scored.conditioning[kept].astype(np.int32),
            rewards=np.asarray(scored.scores["total"][kept], np.float32),
            reward_parts=parts,
            captions=[prompts.captions[row] for row in kept],
            prompts=np.asarray(prompts.numbers, np.int64)[kept],
        )


@dataclasses.dataclass(kw_only=True)
class _Counts:
    """Running totals of one actor process."""

    started: float
    waited: float = 0.0
    clips: int = 0
    rejected: int = 0
    useless_in_a_row: int = 0
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    def add(self, scored: actors.Scored, kept: np.ndarray) -> None:
        """Counts one batch."""
        self.clips += len(kept)
        self.rejected += len(scored.tokens) - len(kept)
        self.useless_in_a_row = 0 if len(kept) else self.useless_in_a_row + 1
        for part, seconds in scored.seconds.items():
            self.seconds[part] = self.seconds.get(part, 0.0) + seconds

    def check_reward(self) -> None:
        """Ends an actor whose reward gives no numbers.

        Raises:
          InputError: after a few batches in a row without one finite reward.
        """
        if self.useless_in_a_row >= USELESS_BATCHES:
            raise errors.InputError(
                "Rewards and log-probabilities must be finite; in the last "
                f"{self.useless_in_a_row} batches of this actor no clip had finite "
                "ones. Look at the reward that the run trains on."
            )

    def row(
        self, scored: actors.Scored, kept: np.ndarray, now: float
    ) -> dict[str, float | int]:
        """Returns the totals, and the mean scores of the batch's finite clips."""
        elapsed = max(now - self.started, 1e-9)
        means = {
            f"reward/{name}": float(np.mean(score[kept]))
            for name, score in scored.scores.items()
            if len(kept)
        }
        shares = {
            f"time/{part}_share": seconds / elapsed
            for part, seconds in self.seconds.items()
        }
        return {
            "clips": self.clips,
            "clips_rejected": self.rejected,
            "clips_per_second": self.clips / elapsed,
            "time/wait_share": self.waited / elapsed,
            **shares,
            **means,
        }


def check_stop(stop: Callable[[], bool]) -> Callable[[], None]:
    """Returns a function for `Patience.meanwhile` that ends waits on request."""

    def raise_if_asked() -> None:
        if stop():
            raise errors.Preempted("Asked to stop; the same command goes on.")

    return raise_if_asked


def actor_key(seed: int) -> Key[Array, ""]:
    """Returns the root key of a run's actors."""
    return rng.stream(jax.random.key(seed), "acting")
