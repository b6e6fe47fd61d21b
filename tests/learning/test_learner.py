"""When the learner's loop ends."""

import types
from typing import Any

import jax.numpy as jnp
import pytest

from musicrl_jax.checkpoints import digests, manager, reader
from musicrl_jax.core import errors
from musicrl_jax.learning import config as configs
from musicrl_jax.learning import learner
from musicrl_jax.learning import state as states


class Store(dict[str, bytes]):
    """The one method of a store that the loop calls itself."""

    def put_if_absent(self, key: str, data: bytes) -> None:
        self.setdefault(key, data)


class Checkpoints:
    """Keeps what was saved beside the newest trees."""

    saved: manager.Saved | None = None

    def save(self, step: int, trees: Any, meta: dict[str, Any]) -> None:
        del trees
        self.saved = manager.Saved(
            identity=reader.CheckpointId(epoch=1, step=step),
            policy=digests.digest_tree({}),
            meta=meta,
        )


class Scripted(learner.Learner):
    """A learner whose updates give KLs from a list and touch nothing else."""

    def __init__(self, kls: list[float], **others: Any) -> None:
        parts = {
            "kls": kls,
            "config": configs.LearnerConfig(
                steps=len(kls), value_warmup_steps=0, kl_budget_nats=20.0
            ),
            "channel": types.SimpleNamespace(
                store=Store(), epoch=1, config_hash="x", checkpoints=Checkpoints()
            ),
            "publish_every": 2,
            "stop_at": -1,
            "metrics": types.SimpleNamespace(write=lambda step, row: None),
            "beat": lambda row: None,
            "over_optimised": lambda: False,
        }
        for name, part in (parts | others).items():
            object.__setattr__(self, name, part)

    def _manifest(self, at: learner.Progress) -> Any:
        if at.step == self.stop_at:  # pyright: ignore[reportAttributeAccessIssue]
            raise errors.Preempted("asked to")

    def _step(self, at: learner.Progress, manifest: Any) -> dict[str, float]:
        del manifest
        at.step += 1
        return {"kl/sequence": self.kls[at.step - 1]}  # pyright: ignore[reportAttributeAccessIssue]

    def _publish_finished(self, *, wait: bool) -> None:
        del wait


def record_of(kls: list[float], **others: Any) -> bytes:
    """Returns what a run with these KLs leaves at its end."""
    loop: Any = Scripted(kls, **others)
    loop.run(state_at(0), None)
    return loop.channel.store[learner.DONE_KEY]


def state_at(step: int) -> states.LearnerState:
    return states.LearnerState(
        policy={},
        value={},
        reference={},
        policy_optimizer=(),
        value_optimizer=(),
        step=jnp.asarray(step, jnp.int32),
        skipped=jnp.zeros((), jnp.int32),
    )


def test_one_batch_beyond_the_budget_does_not_end_a_run():
    kls = [1.0, 30.0, 25.0, 2.0, 30.0, 21.0]
    assert b'"step": 6, "reason": "steps"' in record_of(kls)


def test_three_batches_in_a_row_beyond_the_budget_do():
    kls = [1.0, 30.0, 19.0, 21.0, 20.5, 25.0, 3.0, 3.0]
    assert b'"step": 6, "reason": "kl_budget"' in record_of(kls)


@pytest.mark.parametrize("stop_at", [3, 4, 5])
def test_a_resumed_run_goes_on_counting_what_was_beyond_the_budget(stop_at):
    kls = [1.0, 30.0, 19.0, 21.0, 20.5, 25.0, 30.0, 30.0]
    first: Any = Scripted(kls, stop_at=stop_at)
    with pytest.raises(errors.Preempted):
        first.run(state_at(0), None)
    second: Any = Scripted(kls)
    second.run(state_at(stop_at), first.channel.checkpoints.saved)
    record = second.channel.store[learner.DONE_KEY]
    assert b'"step": 6, "reason": "kl_budget"' in record


def test_a_run_that_was_killed_before_it_could_say_so_ends_without_an_update():
    # Saved at step 6 with the budget spent, and killed before the end was noted.
    first: Any = Scripted([1.0, 1.0, 1.0, 21.0, 20.5, 25.0, 30.0, 30.0])
    first.run(state_at(0), None)
    second: Any = Scripted([1.0] * 8)
    second.run(state_at(6), first.channel.checkpoints.saved)
    record = second.channel.store[learner.DONE_KEY]
    assert b'"step": 6, "reason": "kl_budget"' in record


def test_a_checkpoint_that_does_not_say_counts_from_none():
    saved = manager.Saved(
        identity=reader.CheckpointId(epoch=1, step=2), policy=digests.digest_tree({})
    )
    loop: Any = Scripted([30.0, 30.0, 30.0, 1.0])
    loop.run(state_at(2), saved)
    assert b'"step": 4, "reason": "steps"' in loop.channel.store[learner.DONE_KEY]


def test_a_run_ends_where_a_held_out_reward_falls():
    looks = iter([False, False, True, True])
    record = record_of([1.0, 1.0, 1.0, 1.0], over_optimised=lambda: next(looks))
    assert b'"step": 3, "reason": "over_optimisation"' in record
