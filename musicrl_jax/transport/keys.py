"""Where each kind of object lies in a run's store, and the rule for keys.

    config/hash, config/operative.gin         one configuration for every role
    learner/epoch-000003, .../parent-000003   fencing token; what it resumed from
    published/000003-00000040.json            weights that actors may use
    traj/00000040_a1_00000017                 a trajectory: policy step, actor, number
    batches/00000041.json                     the manifest of learner step 41
    quarantine/00000040_a1_00000017           a corrupt trajectory, put aside
    refused/00000040_a1_00000017              marks one that no batch will take
    heartbeat/actor-a1/000000000007           a sign of life
    evaluator/over_optimisation               a held-out reward has begun to fall
    evaluations/00000040.json                 what was measured on the weights of a step
    policies/step_00000040.safetensors        these weights, as a network's file
    samples/step_00000040/002.flac            the clip of a held-out prompt

Numbers are padded, so keys sort as their numbers do.
"""

import dataclasses

from musicrl_jax.core import errors

TRAJECTORIES = "traj/"
BATCHES = "batches/"
PUBLICATIONS = "published/"
QUARANTINE = "quarantine/"
REFUSED = "refused/"
HEARTBEATS = "heartbeat/"
OVER_OPTIMISATION = "evaluator/over_optimisation"
EVALUATIONS = "evaluations/"
POLICIES = "policies/step_"
SAMPLES = "samples/step_"
EPOCHS = "learner/epoch-"
PARENTS = "learner/parent-"


@dataclasses.dataclass(frozen=True, order=True)
class TrajectoryId:
    """Who sampled a trajectory, with which weights; ordered as batches take them.

    Attributes:
      policy_step: the learner step of the weights.
      actor: the actor's name.
      seq: the actor's own count, which goes on after a restart.
    """

    policy_step: int
    actor: str
    seq: int

    @property
    def key(self) -> str:
        """The key of the trajectory."""
        return f"{TRAJECTORIES}{self.policy_step:08d}_{self.actor}_{self.seq:08d}"

    @classmethod
    def parse(cls, key: str) -> "TrajectoryId | None":
        """Returns whose trajectory `key` is, or None where it is no such key."""
        step, _, rest = key.rpartition("/")[2].partition("_")
        actor, _, seq = rest.rpartition("_")
        if not (step.isdigit() and seq.isdigit() and actor):
            return None
        return cls(int(step), actor, int(seq))


def batch_key(step: int) -> str:
    """Returns the key of the manifest of learner step `step`."""
    return f"{BATCHES}{step:08d}.json"


def publication_key(epoch: int, step: int) -> str:
    """Returns the key of the publication; keys sort as (epoch, step)."""
    return f"{PUBLICATIONS}{epoch:06d}-{step:08d}.json"


def evaluation_key(step: int) -> str:
    """Returns the key of what was measured on the weights of learner step `step`."""
    return f"{EVALUATIONS}{step:08d}.json"


def policy_key(step: int) -> str:
    """Returns the key of the measured policy of learner step `step`."""
    return f"{POLICIES}{step:08d}.safetensors"


def sample_key(step: int, prompt: int) -> str:
    """Returns the key of the clip that a step's policy made for a held-out prompt."""
    return f"{SAMPLES}{step:08d}/{prompt:03d}.flac"


def quarantine_key(key: str) -> str:
    """Returns where the corrupt trajectory `key` is put aside."""
    return QUARANTINE + key.rpartition("/")[2]


def refusal_key(key: str) -> str:
    """Returns the marker that says that no batch will take trajectory `key`."""
    return REFUSED + key.rpartition("/")[2]


def check_key(key: str) -> None:
    """Raises InputError unless each "/"-separated part of `key` is a plain name."""
    if any(part == "" or part.startswith(".") for part in key.split("/")):
        raise errors.InputError(
            f"A key has non-empty parts that do not begin with a dot; got {key!r}. "
            "Choose another actor or role name."
        )
