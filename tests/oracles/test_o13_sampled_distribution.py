"""O13: sampled tokens follow pi_T at every position of a frame."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from musicrl_jax.core import layout, rng
from musicrl_jax.models.musiclm import adapter
from musicrl_jax.models.musiclm import config as configs
from musicrl_jax.sampling import choices, loop

LAYOUT = layout.TokenLayout(
    streams=(
        layout.Stream(name="semantic", codebook_size=4),
        layout.Stream(name="coarse", codebook_size=6, levels=2),
    )
)
CONFIG = configs.MusicLMConfig(
    width=8,
    heads=2,
    layers=1,
    depth_width=8,
    depth_heads=2,
    window_frames=4,
    conditioning_tokens=2,
    conditioning_size=4,
)
CLIPS, TEMPERATURE = 6000, 0.7


def _first_frame_probabilities(
    policy: adapter.MusicLMPolicy, params: dict
) -> np.ndarray:
    """Returns pi_T of all 4 x 6 x 6 first frames by enumeration."""
    frames = np.stack(
        np.meshgrid(*[np.arange(n) for n in LAYOUT.codebook_sizes], indexing="ij"), -1
    ).reshape(-1, 1, 3)
    tokens = jnp.asarray(frames, jnp.int32)
    conditioning = jnp.zeros((len(frames), 2), jnp.int32)

    @jax.jit
    def log_probabilities(params: dict) -> jax.Array:
        states = policy.frame_states(params, tokens, conditioning)
        logits = policy.token_logits(params, states, tokens)
        log_probs = choices.log_policy(logits, TEMPERATURE)
        return jnp.take_along_axis(log_probs, tokens[..., None], -1).sum(axis=(1, 2, 3))

    return np.exp(np.asarray(log_probabilities(params), np.float64))


def _p_values(tokens: np.ndarray, joint: np.ndarray) -> list[float]:
    """Returns chi-square p-values of each position's and the joint counts."""
    sizes = LAYOUT.codebook_sizes
    table = (joint / joint.sum()).reshape(sizes)
    values = []
    for position, size in enumerate(sizes):
        others = tuple(axis for axis in range(len(sizes)) if axis != position)
        counts = np.bincount(tokens[:, position], minlength=size)
        expected = table.sum(axis=others) * len(tokens)
        values.append(scipy.stats.chisquare(counts, expected).pvalue)
    flat = np.ravel_multi_index(tuple(tokens.T), sizes)
    counts = np.bincount(flat, minlength=joint.size)
    expected = table.reshape(-1) * len(tokens)
    rare = expected < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    keep = expected > 0
    values.append(scipy.stats.chisquare(counts[keep], expected[keep]).pvalue)
    return values


def test_tokens_follow_the_tempered_policy() -> None:
    policy = adapter.make_policy(CONFIG, LAYOUT)
    params = jax.tree.map(lambda x: 4.0 * x, jax.jit(policy.init)(jax.random.key(0)))
    joint = _first_frame_probabilities(policy, params)
    np.testing.assert_allclose(joint.sum(), 1.0, atol=1e-5)
    assert joint.max() > 3 * np.median(joint)

    conditioning = jnp.zeros((CLIPS, 2), jnp.int32)
    keys = rng.clip_keys(jax.random.key(3), "sample", 0, CLIPS)
    clips = loop.sample(policy, params, conditioning, keys, 1, TEMPERATURE)
    tokens = np.asarray(clips.tokens[:, 0])
    assert min(_p_values(tokens, joint)) > 1e-3
    # Tokens drawn at another temperature are told apart.
    cold = loop.sample(policy, params, conditioning, keys, 1, 0.5)
    assert min(_p_values(np.asarray(cold.tokens[:, 0]), joint)) < 1e-6


def test_positions_and_frames_draw_independently() -> None:
    """A key used twice would show as a correlation of uniform tokens."""
    keys = rng.clip_keys(jax.random.key(4), "sample", 0, CLIPS)
    choose = choices.sampled(keys, 1.0)
    logits = jnp.zeros((CLIPS, 6))
    first, second = (np.asarray(choose(logits, jnp.asarray(i))[0]) for i in (0, 1))
    table = np.zeros((6, 6))
    np.add.at(table, (first, second), 1)
    assert scipy.stats.chi2_contingency(table).pvalue > 1e-3
    assert scipy.stats.chisquare(np.bincount(first, minlength=6)).pvalue > 1e-3
