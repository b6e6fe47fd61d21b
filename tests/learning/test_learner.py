"""When the learner's loop ends."""

import types
from typing import Any

import jax.numpy as jnp

from musicrl_jax.learning import config as configs
from musicrl_jax.learning import learner
from musicrl_jax.learning import state as states


class Store(dict[str, bytes]):
    """The one method of a store that the loop calls itself."""

    def put_if_absent(self, key: str, data: bytes) -> None:
        self.setdefault(key, data)


class Scripted(learner.Learner):
    """A learner whose updates give KLs from a list and touch nothing else."""

    def __init__(self, kls: list[float], **others: Any) -> None:
        parts = {
            "kls": kls,
            "config": configs.LearnerConfig(
                steps=len(kls), value_warmup_steps=0, kl_budget_nats=20.0
            ),
            "channel": types.SimpleNamespace(store=Store(), epoch=1),
            "publish_every": 2,
            "metrics": types.SimpleNamespace(write=lambda step, row: None),
            "beat": lambda row: None,
            "over_optimised": lambda: False,
        }
        for name, part in (parts | others).items():
            object.__setattr__(self, name, part)

    def _manifest(self, at: learner.Progress) -> Any:
        del at

    def _step(self, at: learner.Progress, manifest: Any) -> dict[str, float]:
        del manifest
        at.step += 1
        return {"kl/sequence": self.kls[at.step - 1]}  # pyright: ignore[reportAttributeAccessIssue]

    def _save(self, at: learner.Progress) -> None:
        at.saved_step = at.step

    def _publish_finished(self, *, wait: bool) -> None:
        del wait


def record_of(kls: list[float], **others: Any) -> bytes:
    """Returns what a run with these KLs leaves at its end."""
    zero = jnp.zeros((), jnp.int32)
    state = states.LearnerState(
        policy={},
        value={},
        reference={},
        policy_optimizer=(),
        value_optimizer=(),
        step=zero,
        skipped=zero,
    )
    loop: Any = Scripted(kls, **others)
    loop.run(state, -1)
    return loop.channel.store[learner.DONE_KEY]


def test_one_batch_beyond_the_budget_does_not_end_a_run():
    kls = [1.0, 30.0, 25.0, 2.0, 30.0, 21.0]
    assert b'"step": 6, "reason": "steps"' in record_of(kls)


def test_three_batches_in_a_row_beyond_the_budget_do():
    kls = [1.0, 30.0, 19.0, 21.0, 20.5, 25.0, 3.0, 3.0]
    assert b'"step": 6, "reason": "kl_budget"' in record_of(kls)


def test_a_run_ends_where_a_held_out_reward_falls():
    looks = iter([False, False, True, True])
    record = record_of([1.0, 1.0, 1.0, 1.0], over_optimised=lambda: next(looks))
    assert b'"step": 3, "reason": "over_optimisation"' in record
