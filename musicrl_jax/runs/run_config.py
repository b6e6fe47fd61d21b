"""RunConfig: what learner, actors and evaluator of one run agree on.

Every role of a run is started with the same config. The first to come writes it into
the run directory; one that differs refuses to start and shows the difference.
"""

import dataclasses
from typing import Any

from musicrl_jax.acting import config as acting_config
from musicrl_jax.core import errors, sharding
from musicrl_jax.evaluation import config as evaluation_config
from musicrl_jax.learning import config as learning_config
from musicrl_jax.runs import own_rewards

LOCAL_FIELDS = ("run_dir", "actor_id")
PATH_FIELDS = ("networks", "captions", "policy")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """Weights of the rewards whose sum the policy is trained on.

    Attributes:
      text_adherence: of the MuLan score, which lies in [-1, 1].
      quality: of the quality score, rescaled to [0, 1].
      quality_weights: weights file of the quality estimator; empty means the one
        beside the networks.
      preference: of the user-preference score, which is any real number.
      preference_weights: weights file of the preference model; empty means the one
        beside the networks.
      loudness: of the level, which lies in [0, 1]; hackable on purpose, to see
        over-optimisation.
      extra: rewards of your own, such as 'my_rewards:Quiet=0.5'; see `own_rewards`.

    A reward of weight 0 whose network is there is measured by the evaluator alone.
    """

    text_adherence: float = 1.0
    quality: float = 0.0
    quality_weights: str = ""
    preference: float = 0.0
    preference_weights: str = ""
    loudness: float = 0.0
    extra: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        weights = (self.text_adherence, self.quality, self.preference, self.loudness)
        own_rewards.check_names(self.extra)
        own = [own_rewards.parse(text).weight for text in self.extra]
        if not any((*weights, *own)):
            raise errors.InputError(
                "At least one reward needs a weight other than 0; got none. "
                "Set RewardConfig.text_adherence, .quality, .preference or .extra."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One KL-REINFORCE run.

    Attributes:
      run_dir: directory or bucket URL that the roles share.
      actor_id: number of this actor; must differ between the actors of a run.
      networks: directory of the pretrained networks; empty means those of the package.
      policy: weights file that the run starts from and is held to; empty means
        `musiclm.safetensors` of the networks.
      reference_name: what figures call that policy, such as "musicrl_r".
      captions: caption file that prompts are taken from; empty means the package's.
      clip_seconds: length of the sampled clips.
      seed: of every random stream of the run.
      num_actors: actors that `finetune` starts on this machine.
      publish_every: learner steps between two checkpoints, which actors then use.
      keep_checkpoints: checkpoints that are kept; readers need 5 or more.
      batch_timeout_seconds: longest wait of the learner for a batch.
      learner: the algorithm's numbers.
      actor: how actors sample.
      evaluator: what is measured on each publication.
      reward: what the policy is trained on.
      mesh: the learner's devices.
    """

    run_dir: str = ""
    actor_id: int = 0
    networks: str = ""
    policy: str = ""
    reference_name: str = "base"
    captions: str = ""
    clip_seconds: float = 30.0
    seed: int = 0
    num_actors: int = 2
    publish_every: int = 1
    keep_checkpoints: int = 5
    batch_timeout_seconds: float = 600.0
    learner: learning_config.LearnerConfig = dataclasses.field(
        default_factory=learning_config.LearnerConfig
    )
    actor: acting_config.ActorConfig = dataclasses.field(
        default_factory=acting_config.ActorConfig
    )
    evaluator: evaluation_config.EvaluatorConfig = dataclasses.field(
        default_factory=evaluation_config.EvaluatorConfig
    )
    reward: RewardConfig = dataclasses.field(default_factory=RewardConfig)
    mesh: sharding.MeshConfig = dataclasses.field(default_factory=sharding.MeshConfig)

    def __post_init__(self) -> None:
        if not 0.0 < self.clip_seconds <= 600.0:
            raise errors.InputError(
                f"clip_seconds must lie in (0, 600]; got {self.clip_seconds}. "
                "Set RunConfig.clip_seconds."
            )
        if not self.reference_name.strip():
            raise errors.InputError(
                "reference_name must not be empty; figures call what the run is held "
                'to so. Set RunConfig.reference_name, for example to "base".'
            )
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise errors.InputError(
                    f"{name} must be at least {least}; got {getattr(self, name)}. "
                    f"Set RunConfig.{name}."
                )


_LEAST = {
    "actor_id": 0,
    "num_actors": 1,
    "publish_every": 1,
    "keep_checkpoints": 5,
    "seed": 0,
}


def shared_fields(config: RunConfig) -> dict[str, Any]:
    """Returns the fields that all roles of a run must agree on.

    Paths are not among them: `run_inputs` compares what the files hold.
    """
    fields = dataclasses.asdict(config)
    left_out = LOCAL_FIELDS + PATH_FIELDS
    return {name: x for name, x in fields.items() if name not in left_out}
