"""GkeConfig: one run on a GKE cluster, from a few parameters."""

import dataclasses
import re

from musicrl_jax.core import errors
from musicrl_jax.planning import tpu_topology

ROLES = ("learner", "evaluator", "actor")
MAX_NAME = 30  # leaves room for role, numbers and a hash in the 63 of a host name

_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"  # of RFC 1123


@dataclasses.dataclass(frozen=True, kw_only=True)
class GkeConfig:
    """One run on a cluster.

    Attributes:
      name: of the run's objects; each process has it in its own.
      image: container image with this package in it.
      run_dir: bucket URL that the roles share.
      gin_files: experiments, or files that lie in the image.
      gin_params: single bindings.
      learner: TPU slice of the learner, such as "v5p:4x4x4".
      actor: TPU slice of each actor, of one host.
      evaluator: TPU slice of the evaluator, of one host.
      actors: number of actors.
      first_actor: number of the first one; other than 0 only where rendered apart.
      roles: what is rendered.
      apart: a JobSet for each process instead of one for all.
      spot: actors and evaluator run on spot machines.
      queue: Kueue's local queue; empty means none.
      namespace: of the objects.
      service_account: with rights on the bucket.
      restarts: of Jobs of one JobSet, after which it fails.
    """

    name: str
    image: str
    run_dir: str
    learner: str
    actor: str
    evaluator: str = ""
    gin_files: tuple[str, ...] = ()
    gin_params: tuple[str, ...] = ()
    actors: int = 4
    first_actor: int = 0
    roles: tuple[str, ...] = ROLES
    apart: bool = False
    spot: bool = True
    queue: str = ""
    namespace: str = "default"
    service_account: str = "default"
    restarts: int = 20

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", self.name) or (
            len(self.name) > MAX_NAME
        ):
            raise errors.InputError(
                f"A name has up to {MAX_NAME} of a-z, 0-9 and -, begins with a letter "
                f"and ends with no -; got {self.name!r}. Change --name."
            )
        self._check_objects()
        if not re.match(r"(gs|s3)://[^/\s]", self.run_dir):
            raise errors.InputError(
                f"The roles of a cluster share a bucket; got {self.run_dir!r}. Pass "
                "--run_dir gs://BUCKET/RUN."
            )
        if self.actors < 1 or self.first_actor < 0 or self.restarts < 0:
            raise errors.InputError(
                "There must be an actor or more, numbered from 0 on, and no negative "
                f"restarts; got {self.actors}, {self.first_actor} and {self.restarts}."
            )
        if self.first_actor and not self.apart:
            raise errors.InputError(
                f"Actors of one JobSet are numbered from 0; got {self.first_actor}. "
                "Pass --apart with --first_actor."
            )
        if not self.roles or set(self.roles) - set(ROLES):
            raise errors.InputError(
                f"Roles are {', '.join(ROLES)}; got {self.roles}. Change --role."
            )

    def _check_objects(self) -> None:
        if not re.fullmatch(r"\S+", self.image):
            raise errors.InputError(
                f"The image must be named, without spaces; got {self.image!r}. Set "
                "--image, for example to REGISTRY/musicrl:1."
            )
        if not re.fullmatch(_LABEL, self.namespace):
            raise errors.InputError(
                "A namespace has up to 63 of a-z, 0-9 and -, and begins and ends with "
                f"no -; got {self.namespace!r}. Change --namespace."
            )
        dotted = rf"(?=.{{1,63}}$){_LABEL}(\.{_LABEL})*"
        for option in ("queue", "service_account"):
            name = getattr(self, option)
            if not re.fullmatch(dotted, name) and (name or option != "queue"):
                raise errors.InputError(
                    f"A {option} has up to 63 of a-z, 0-9, - and dots, and begins and "
                    f"ends with a letter or digit; got {name!r}. Change --{option}."
                )

    def slices(self) -> dict[str, tpu_topology.Topology]:
        """Returns the slice of each role.

        Raises:
          InputError: there is no such slice, or actor or evaluator would span hosts.
        """
        parse = tpu_topology.parse
        return {
            "learner": parse(self.learner),
            "actor": parse(self.actor, one_host_for="actor"),
            "evaluator": parse(self.evaluator or self.actor, one_host_for="evaluator"),
        }
