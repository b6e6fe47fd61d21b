"""Trajectories: exact on the way through, refused where the schema is broken."""

import dataclasses

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.transport import trajectories, wire


def test_a_trajectory_comes_back_exactly(make_trajectory, token_layout):
    made = make_trajectory("a_1", 7, policy_step=3)
    again = trajectories.from_bytes(trajectories.to_bytes(made), token_layout)
    for field in dataclasses.fields(made):
        before, after = getattr(made, field.name), getattr(again, field.name)
        if isinstance(before, np.ndarray):
            assert after.dtype == before.dtype
            np.testing.assert_array_equal(after, before)
        elif field.name == "reward_parts":
            np.testing.assert_array_equal(after["text"], before["text"])
        else:
            assert after == before
    assert again.key == "traj/00000003_a_1_00000007"


def _broken(data, name, change):
    frame = wire.decode(data)
    arrays, header = dict(frame.arrays), dict(frame.header)
    target = arrays if name in arrays else header
    target[name] = change(target[name])
    if target[name] is None:
        del target[name]
    return wire.encode(wire.Frame(header=header, arrays=arrays))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("tokens", lambda x: x + 100),
        ("tokens", lambda x: x - 100),
        ("tokens", lambda x: x.astype(np.int32)),
        ("tokens", lambda x: x[..., :2]),
        ("tokens", lambda x: x[:0]),
        ("tokens", lambda _: None),
        ("log_probs", lambda x: x[:, :1]),
        ("rewards", lambda x: x[:1]),
        ("conditioning", lambda x: x[0]),
        ("prompts", lambda x: x.astype(np.int32)),
        ("reward/text", lambda x: x[:1]),
        ("captions", lambda x: x[:1]),
        ("captions", lambda _: "text"),
        ("seq", lambda _: "7"),
        ("seq", lambda _: True),
        ("digest", lambda _: None),
        ("temperature", lambda _: None),
    ],
)
def test_what_breaks_the_schema_is_refused(make_trajectory, token_layout, name, change):
    data = _broken(trajectories.to_bytes(make_trajectory()), name, change)
    with pytest.raises(wire.FrameError):
        trajectories.from_bytes(data, token_layout)


def test_numbers_that_are_none_are_seen(make_trajectory):
    good = make_trajectory()
    assert good.is_finite()
    for name in ("rewards", "log_probs"):
        bad = getattr(good, name).copy()
        bad[0] = np.nan
        assert not dataclasses.replace(good, **{name: bad}).is_finite()
    parts = {"text": np.float32([np.inf, 0])}
    assert not dataclasses.replace(good, reward_parts=parts).is_finite()


def test_an_actors_own_mistake_is_named(make_trajectory, token_layout):
    wrong = make_trajectory(tokens=np.full((2, 4, 3), 99, np.int16))
    with pytest.raises(errors.InvariantError, match="codebook"):
        trajectories.check_own(wrong, token_layout)
