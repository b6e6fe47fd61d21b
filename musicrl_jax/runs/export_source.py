"""What is exported: a policy of a run that was measured, or a weights file."""

import dataclasses
import pathlib
from collections.abc import Mapping

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors
from musicrl_jax.export import manifest
from musicrl_jax.runs import measured_run, select_policy
from musicrl_jax.transport import keys

BEST, LAST = "best", "last"
OPERATIVE = "config/operative.gin"
_REWARD = "reward/"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A policy and what is known of it.

    Attributes:
      policy: its weights file.
      name: of the run or the file.
      step: of the learner; None for a weights file.
      kl: nats per clip to `kl_ref`, where it was measured.
      kl_ref: the policy that KL is measured against.
      rewards: mean of each reward at the step, and `first` before training.
      first: see `rewards`.
      temperature: that the policy was trained and measured at.
      operative: the run's gin; empty for none.
      inputs: SHA-256 of the networks that the run read, by file name.
    """

    policy: pathlib.Path
    name: str
    step: int | None = None
    kl: float | None = None
    kl_ref: str = ""
    rewards: Mapping[str, float] = dataclasses.field(default_factory=dict)
    first: Mapping[str, float] = dataclasses.field(default_factory=dict)
    temperature: float = 0.99
    operative: str = ""
    inputs: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def check_networks(self, directory: pathlib.Path) -> None:
        """Refuses a directory whose codec or MuLan is not the run's.

        Raises:
          InputError: names the file.
        """
        for name in ("codec.safetensors", "mulan.safetensors"):
            path = directory / name
            expected = self.inputs.get(name)
            if expected and path.is_file() and manifest.sha256(path) != expected:
                raise errors.InputError(
                    f"A policy needs the networks that its run read; {path} is "
                    "another file. Pass --networks with the run's."
                )


def fetch(source: str, step: str, folder: pathlib.Path) -> Source:
    """Finds the policy; one of a run is copied into `folder`.

    Args:
      source: directory or bucket URL of a run, or a weights file.
      step: "best" for what `musicrl select` saved (or would choose now), "last" for
        the newest that was kept, or a number; empty for "best" of a run.
      folder: an existing one.

    Raises:
      InputError: there is no such run, file or policy.
    """
    path = pathlib.Path(source)
    if path.is_file():
        if step:
            raise errors.InputError(
                f"A weights file is one policy; got --step {step} for {source}. Leave "
                "--step out."
            )
        return Source(policy=path, name=path.name)
    if "://" not in source and not path.exists():
        raise errors.InputError(
            f"RUN_OR_WEIGHTS must be a run directory or a weights file; {source} does "
            "not exist. Correct the path."
        )
    run = measured_run.open_run(source)
    number = _step(run, step or BEST)
    data = run.store.get(keys.policy_key(number))
    if data is None:
        kept = ", ".join(map(str, run.kept_steps())) or "none"
        raise errors.InputError(
            f"An exported policy must have been kept by the run's evaluator; kept are "
            f"{kept}, not {number}. Pass another --step."
        )
    policy = folder / pathlib.PurePosixPath(keys.policy_key(number)).name
    weights.write_file(policy, data)
    return _of_run(run, number, policy)


def _step(run: measured_run.MeasuredRun, step: str) -> int:
    """Returns the number that `step` stands for."""
    if step == BEST:
        chosen = run.selected()
        if chosen is not None:
            return chosen.step
        return select_policy.select(run.run_dir).step
    if step == LAST:
        return max(run.kept_steps(), default=-1)
    if not step.isdecimal():
        raise errors.InputError(
            f"--step must be {BEST}, {LAST} or a number; got {step!r}. Correct it."
        )
    return int(step)


def _of_run(run: measured_run.MeasuredRun, number: int, policy: pathlib.Path) -> Source:
    measured = {evaluation.step: evaluation for evaluation in run.evaluations}
    here = measured.get(number)
    operative = run.store.get(OPERATIVE) or b""
    return Source(
        policy=policy,
        name=run.name,
        step=number,
        kl=None if here is None else here.kl,
        kl_ref=run.facts.kl_ref,
        rewards={} if here is None else _rewards(here.row),
        first=_rewards(measured[min(measured)].row) if measured else {},
        temperature=float(run.config.get("learner", {}).get("temperature", 0.99)),
        operative=operative.decode(),
        inputs=run.config.get("inputs", {}),
    )


def _rewards(row: Mapping[str, float]) -> dict[str, float]:
    """Returns the means of a row of the evaluator's metrics."""
    return {
        name.removeprefix(_REWARD): x
        for name, x in row.items()
        if name.startswith(_REWARD) and name.count("/") == 1
    }
