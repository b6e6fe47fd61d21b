"""What an actor holds on each of its devices, over all of its programs together.

Each device has all networks whole and its share of the clips (`core.dealing`). One
program runs at a time, so of what programs take besides networks the most counts.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from musicrl_jax.core import arrays
from musicrl_jax.models.mulan import adapter as mulan
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.models.preference import adapter as preference
from musicrl_jax.models.quality import adapter as quality
from musicrl_jax.models.soundstorm import adapter as soundstorm
from musicrl_jax.models.soundstorm import config as soundstorm_config
from musicrl_jax.models.soundstream import adapter as soundstream
from musicrl_jax.planning import chips, roofline
from musicrl_jax.runs import plan_config

GB = 1e9
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "sample": ("policy",),
    "rewards": ("codec", "mulan", "quality"),
}
"""Program that is compiled -> the networks that are always among its arguments."""
POLICIES = 2
"""Policies that are held: the first one, and the newest."""
STORED = 4
"""Bytes of a parameter as the learner publishes it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """What an actor holds on one device.

    Attributes:
      topology: its devices.
      held: network -> bytes, all the time.
      working: what takes the device for a while -> bytes beside the networks.
      code: bytes of all programs.
    """

    topology: chips.Target
    held: Mapping[str, int]
    working: Mapping[str, int]
    code: int

    note = (
        "An actor scores preference in a program of its own, which is not planned: its "
        "network is counted, its temporaries are not. So are those of fine levels, "
        "unless ActorConfig.fine_levels lets rewards hear them."
    )

    @property
    def peak(self) -> int:
        """Bytes of the networks, of the programs and of what works beside them."""
        return sum(self.held.values()) + self.code + max(self.working.values())

    @property
    def fits(self) -> bool:
        """Whether that is within the device's memory."""
        return self.peak <= self.topology.chip.memory

    @property
    def advice(self) -> str:
        """The sum in one line, and what to change where it is too much."""
        parts = ", ".join(f"{name} {size / GB:.2f}" for name, size in self.held.items())
        most = max(self.working, key=lambda name: self.working[name])
        memory = self.topology.chip.memory / GB
        line = (
            f"An actor on {self.topology.name} holds on each device {parts} GB, and "
            f"beside them at most {self.working[most] / GB:.2f} GB ({most}): "
            f"{self.peak / GB:.1f} of {memory:.1f} GB."
        )
        change = " Lower ActorConfig.clips, or leave a network out."
        return line if self.fits else line + change

    def fields(self) -> dict[str, Any]:
        """Returns all figures by name, bytes as integers."""
        return {
            "program": "actor",
            "topology": self.topology.name,
            "chips": self.topology.chips,
            "hosts": self.topology.hosts,
            "held_bytes": dict(self.held),
            "working_bytes": dict(self.working),
            "code_bytes": self.code,
            "peak_bytes": self.peak,
            "capacity_bytes": int(self.topology.chip.memory),
            "fits": self.fits,
            "note": self.note,
        }

    def short(self) -> dict[str, str]:
        """Returns nothing: it is told in a line, not in the programs' table."""
        return {}


def plan(
    config: plan_config.PlanConfig,
    topology: chips.Target,
    programs: Mapping[str, roofline.Needs],
) -> Row:
    """Adds up what one device of an actor holds.

    Args:
      config: sizes of the networks.
      topology: the actor's devices.
      programs: what those of `PROGRAMS` need of a device.
    """
    shapes = networks(config)
    held = {name: size_of(tree) for name, tree in shapes.items()}
    working = {}
    for name, needs in programs.items():
        given = needs.arguments - sum(held[part] for part in _read(config, name))
        working[name] = max(0, given) + needs.outputs + needs.temporaries
    # A newer policy is read as it was published, checked, and then cast.
    parameters = sum(math.prod(x.shape) for x in jax.tree.leaves(shapes["policy"]))
    working["newer policy"] = held["policy"] + STORED * parameters
    held["policy"] *= POLICIES
    code = sum(needs.code for needs in programs.values())
    return Row(topology=topology, held=held, working=working, code=code)


def _read(config: plan_config.PlanConfig, program: str) -> tuple[str, ...]:
    """Returns the networks that are among a program's arguments."""
    fine = program == "rewards" and config.actor.fine_levels
    return (*PROGRAMS[program], *(("fine stage",) if fine else ()))


def networks(config: plan_config.PlanConfig) -> dict[str, arrays.Tree]:
    """Returns the shapes of an actor's networks, in the dtypes that it holds them in.

    The policy is in the dtype that it computes in, all others are in float32.
    """
    policy = musiclm.make_policy(config.musiclm, config.layout)
    dtype = jnp.dtype(config.musiclm.dtype)
    found = {
        "policy": jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, dtype),
            policy.abstract_params(),
        ),
        "codec": soundstream.abstract_params(config.codec),
        "mulan": mulan.make_mulan(config.mulan).abstract_params(),
        "quality": quality.make_estimator(config.quality).abstract_params(),
    }
    if config.preference is not None:
        model = preference.make_model(config.preference, config.musiclm, config.layout)
        found["preference"] = model.abstract_params()
    if config.soundstorm is not None:
        fine = soundstorm.make_soundstorm(
            config.soundstorm, soundstorm_config.DecodingConfig()
        )
        found["fine stage"] = fine.abstract_params()
    return found


def size_of(tree: arrays.Tree) -> int:
    """Returns the bytes of all arrays of a tree."""
    return sum(
        math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)
    )
