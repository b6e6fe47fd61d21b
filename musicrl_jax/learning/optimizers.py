"""The optimizers of policy and value: Adam with clipping, warm-up and linear decay."""

import typing

import optax

from musicrl_jax.core import arrays
from musicrl_jax.learning import config as configs


def policy_optimizer(config: configs.LearnerConfig) -> optax.GradientTransformation:
    """Returns the optimizer that moves the policy."""
    updates = config.steps - config.value_warmup_steps
    return _adam(config, config.policy_learning_rate, updates)


def value_optimizer(config: configs.LearnerConfig) -> optax.GradientTransformation:
    """Returns the optimizer that moves the value, in its warm-up and after."""
    return _adam(config, config.value_learning_rate, config.steps)


def step(
    optimizer: optax.GradientTransformation,
    gradient: arrays.Params,
    params: arrays.Params,
    optimizer_state: arrays.Tree,
) -> tuple[arrays.Params, arrays.Tree]:
    """Returns parameters and optimizer state after one step."""
    updates, optimizer_state = optimizer.update(gradient, optimizer_state, params)
    moved = typing.cast(arrays.Params, optax.apply_updates(params, updates))
    return moved, optimizer_state


def _adam(
    config: configs.LearnerConfig, peak: float, updates: int
) -> optax.GradientTransformation:
    """Returns clipping, then Adam whose rate rises, stays, falls to its end share."""
    warmup = config.learning_rate_warmup_steps
    rise = optax.linear_schedule(peak / (warmup + 1), peak, warmup)
    left = max(updates - warmup, 1)
    decay = min(config.learning_rate_decay_steps or left, left)
    end = config.learning_rate_end_share * peak
    fall = optax.linear_schedule(peak, end, decay, left - decay)
    return optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm),
        optax.adam(
            optax.join_schedules([rise, fall], [warmup]),
            b1=config.adam_b1,
            b2=config.adam_b2,
        ),
    )
