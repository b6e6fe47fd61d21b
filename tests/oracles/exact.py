"""What the objective's gradient and optimum are, by enumeration of every clip.

Nothing here calls the losses under test: log-probabilities, KL and fixed points are
computed anew from the tables.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from musicrl_jax.core import trajectory
from musicrl_jax.learning import config as configs
from musicrl_jax.learning import gradients
from tests.oracles import tabular


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """A tree of clips, a reward for each, and the numbers of the learner.

    Attributes:
      rewards: `[contexts * clips]`, in the order of `clips()`.
    """

    tree: tabular.Tree
    config: configs.LearnerConfig
    seed: int = 0
    spread: float = 1.0

    @property
    def policy(self):
        return tabular.TabularPolicy(tree=self.tree)

    def reference(self):
        return self.policy.init(jax.random.key(self.seed), scale=0.5)

    def tokens(self):
        return jnp.asarray(np.tile(self.tree.clips(), (self.tree.contexts, 1, 1)))

    def conditioning(self):
        each = len(self.tree.clips())
        return jnp.repeat(jnp.arange(self.tree.contexts, dtype=jnp.int32), each)[
            :, None
        ]

    def rewards(self):
        """Rewards in which the tokens of a clip interact."""
        count = self.tokens().shape[0]
        return self.spread * np.random.default_rng(self.seed).normal(size=count)

    def batch(self, behaviour=None):
        """Every clip once."""
        tokens = self.tokens()
        if behaviour is None:
            behaviour = jnp.zeros(tokens.shape)
        return trajectory.TrajectoryBatch(
            tokens=tokens,
            conditioning=self.conditioning(),
            log_probs=behaviour,
            rewards=jnp.asarray(self.rewards(), behaviour.dtype),
        )

    def log_table(self, params):
        """log pi_T of each entry at each node: `[contexts, nodes, v]`."""
        starts = self.frame_starts()
        logits = params["head"] + params["trunk"][:, starts]
        sizes = jnp.asarray(self.tree.layout.codebook_sizes * self.tree.frames)
        entries = jnp.arange(self.tree.v)
        valid = entries[None, :] < sizes[self.depths()][:, None]
        return jax.nn.log_softmax(
            jnp.where(valid[None], logits / self.config.temperature, -jnp.inf), axis=-1
        )

    def depths(self):
        """How many tokens lie before each node."""
        widths = [self.tree.v**depth for depth in range(self.tree.depth)]
        return np.repeat(np.arange(self.tree.depth), widths)

    def frame_starts(self):
        """The node at the start of each node's frame."""
        nodes = np.arange(self.tree.num_nodes)
        for _ in range(self.tree.layout.tokens_per_frame - 1):
            inside = self.depths()[nodes] % self.tree.layout.tokens_per_frame > 0
            nodes = np.where(inside, (nodes - 1) // self.tree.v, nodes)
        return nodes

    def token_log_probs(self, params):
        """log pi_T(a_t | s_t) of every clip: `[all, f, q]`."""
        nodes = self.tree.nodes(self.tokens())
        context = self.conditioning()[:, :, None]
        return self.log_table(params)[context, nodes, self.tokens()]

    def clip_log_probs(self, params):
        """log pi_T(clip | context) of every clip."""
        return jnp.sum(self.token_log_probs(params), axis=(1, 2))

    def clip_probs(self, params):
        """Probability of every clip, contexts being equally likely."""
        return jnp.exp(self.clip_log_probs(params)) / self.tree.contexts

    def token_kl(self, params, reference):
        """Exact KL at each state of every clip."""
        log_p, log_0 = self.log_table(params), self.log_table(reference)
        terms = jnp.where(log_p > -jnp.inf, jnp.exp(log_p) * (log_p - log_0), 0.0)
        nodes = self.tree.nodes(self.tokens())
        return jnp.sum(terms, axis=-1)[self.conditioning()[:, :, None], nodes]


def objective(problem, params, reference, visited):
    """J at `params`; in the local mode the states visited stay those of `visited`."""
    alpha = problem.config.kl_weight
    probs = problem.clip_probs(params)
    reward = jnp.sum(probs * jnp.asarray(problem.rewards()))
    if problem.config.kl_mode == "return":
        ratio = problem.clip_log_probs(params) - problem.clip_log_probs(reference)
        return (1 - alpha) * reward - alpha * jnp.sum(probs * ratio)
    kl = jnp.sum(problem.token_kl(params, reference), axis=(1, 2))
    return (1 - alpha) * reward - alpha * jnp.sum(problem.clip_probs(visited) * kl)


def slope(problem, params, reference, direction):
    """Five-point finite difference of J along `direction`."""
    step = 1e-3

    def at(times):
        moved = jax.tree.map(lambda p, d: p + times * step * d, params, direction)
        return float(objective(problem, moved, reference, params))

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)


def expected_gradient(problem, params, reference, baseline=None, **changes):
    """E of the production gradient (of -J) over all clips, each as a batch of one.

    `changes`: another `policy`, `batch` or `weights` (probability of each clip).
    """
    production = gradients.PolicyGradient(
        policy=changes.get("policy", problem.policy),
        config=changes.get("config", problem.config),
    )
    batch = changes.get("batch", problem.batch(problem.token_log_probs(params)))
    weights = changes.get("weights", problem.clip_probs(params))
    if baseline is None:
        baseline = jnp.zeros(batch.tokens.shape)

    def weighted(one):
        clip, base, weight = one
        single = jax.tree.map(lambda x: x[None], clip)
        gradient, _ = production(params, reference, single, base[None])
        return jax.tree.map(lambda x: weight * x, gradient)

    each = jax.jit(jax.vmap(weighted))((batch, baseline, weights))
    return jax.tree.map(lambda x: jnp.sum(x, axis=0), each)


def inner(left, right):
    """Inner product of two trees."""
    return float(
        sum(
            jnp.sum(a * b)
            for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
        )
    )


def local_fixed_point(problem, reference):
    """Clip probabilities of pi ~ pi0 exp((1 - a) / a Q^pi), by backward induction."""
    ratio = (1 - problem.config.kl_weight) / problem.config.kl_weight
    log_0 = np.asarray(problem.log_table(reference), np.float64)
    rewards = np.asarray(problem.rewards()).reshape(problem.tree.contexts, -1)
    clips = problem.tree.clips().reshape(len(problem.tree.clips()), -1)
    of_clip = {tuple(clip): i for i, clip in enumerate(clips)}
    result = np.zeros_like(rewards)

    def solve(context, history):
        """The value of a history, and the probability of each clip behind it."""
        if len(history) == problem.tree.depth:
            return rewards[context, of_clip[history]], {history: 1.0}
        node = 0
        for token in history:
            node = problem.tree.child(node, token)
        sizes = problem.tree.layout.codebook_sizes * problem.tree.frames
        actions = range(sizes[len(history)])
        behind = [solve(context, (*history, action)) for action in actions]
        q = np.asarray([value for value, _ in behind])
        logits = log_0[context, node, : len(q)] + ratio * q
        pi = np.exp(logits - logits.max())
        pi /= pi.sum()
        clips_behind = {
            clip: p * prob
            for p, (_, probs) in zip(pi, behind, strict=True)
            for clip, prob in probs.items()
        }
        return float(pi @ q), clips_behind

    for context in range(problem.tree.contexts):
        for clip, prob in solve(context, ())[1].items():
            result[context, of_clip[clip]] = prob
    return result.reshape(-1) / problem.tree.contexts


def sequence_optimum(problem, reference):
    """Clip probabilities pi0(clip) exp((1 - a) R / a) / Z."""
    ratio = (1 - problem.config.kl_weight) / problem.config.kl_weight
    logits = np.asarray(problem.clip_log_probs(reference)) + ratio * problem.rewards()
    logits = logits.reshape(problem.tree.contexts, -1)
    probs = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    return probs.reshape(-1) / problem.tree.contexts


def total_variation(left, right):
    """Half the summed distance of two distributions over clips."""
    return float(0.5 * np.abs(np.asarray(left) - np.asarray(right)).sum())


def ascend(problem, reference, rate, steps):
    """Plain gradient ascent with the expected production gradient."""

    def step(params, _):
        gradient = expected_gradient(problem, params, reference)
        return jax.tree.map(lambda p, g: p - rate * g, params, gradient), None

    return jax.jit(lambda start: jax.lax.scan(step, start, None, length=steps)[0])(
        reference
    )
