import jax
import numpy as np

from musicrl_jax.core import rng


def bits(key):
    return tuple(np.asarray(jax.random.key_data(key)).ravel().tolist())


def test_streams_differ_by_name_and_step_and_repeat():
    root = jax.random.key(0)
    keys = [rng.stream(root, name, step) for name in ("a", "b") for step in range(3)]
    assert len({bits(key) for key in keys}) == 6
    assert bits(rng.stream(root, "b", 2)) == bits(keys[-1])


def test_a_clips_key_does_not_depend_on_its_batch():
    root = jax.random.key(1)
    whole = rng.clip_keys(root, "sample", 10, 6)
    part = rng.clip_keys(root, "sample", 13, 2)
    assert bits(whole[3:5]) == bits(part)
    assert len({bits(key) for key in whole}) == 6
