"""A tiny run: a layout, a store of each kind, trajectories by number."""

import dataclasses

import numpy as np
import pytest

from musicrl_jax.core import layout
from musicrl_jax.transport import manifests, reader, store, trajectories

LAYOUT = layout.TokenLayout(
    streams=(
        layout.Stream(name="semantic", codebook_size=16),
        layout.Stream(name="coarse", codebook_size=8, levels=2),
    )
)


@pytest.fixture
def token_layout():
    """Three tokens a frame."""
    return LAYOUT


@pytest.fixture(params=["posix", "file"])
def url(request, tmp_path):
    """A run's address, for each kind of store on a disk."""
    return {"posix": str(tmp_path / "run"), "file": f"file://{tmp_path}/run"}[
        request.param
    ]


@pytest.fixture
def run(url):
    """A store with its log and reader."""
    return Run(url)


@dataclasses.dataclass
class Run:
    """What a learner host opens."""

    url: str

    def __post_init__(self):
        self.store = store.open_store(self.url)
        self.log = manifests.ManifestLog(self.store)
        self.reader = reader.TrajectoryReader(self.store, self.log, LAYOUT)


@pytest.fixture
def make_trajectory():
    """Makes the trajectory `seq` of an actor; every value tells whose it is."""

    def make(actor="a1", seq=0, *, policy_step=0, clips=2, frames=4, **changes):
        rng = np.random.default_rng([policy_step, seq, *actor.encode()])
        shape = (clips, frames, LAYOUT.tokens_per_frame)
        found = trajectories.Trajectory(
            policy_step=policy_step,
            epoch=1,
            digest=f"digest-{policy_step}",
            actor=actor,
            seq=seq,
            nonce="n",
            temperature=0.99,
            config_hash="c",
            tokens=rng.integers(0, 8, shape, dtype=np.int16),
            log_probs=-rng.random(shape, dtype=np.float32),
            conditioning=rng.integers(0, 9, (clips, 5), dtype=np.int32),
            rewards=rng.random(clips, dtype=np.float32),
            reward_parts={"text": rng.random(clips, dtype=np.float32)},
            captions=tuple(f"clip {i} of {actor}/{seq}" for i in range(clips)),
            prompts=np.arange(clips, dtype=np.int64),
        )
        return dataclasses.replace(found, **changes)

    return make
