"""Weights files: whole, of the right network, or a clear error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors


def _params():
    return {
        "encoder": {"kernel": jnp.arange(6.0).reshape(2, 3) / 7, "bias": jnp.ones(3)},
        "counts": jnp.arange(4),
    }


def _save(path, **options):
    weights.save_weights(path, _params(), "codec", {"width": 8}, **options)
    return jax.eval_shape(_params)


def test_float32_weights_come_back_bit_for_bit(tmp_path):
    expected = _save(tmp_path / "codec.safetensors", dtype=np.float32)
    loaded = weights.load_weights(tmp_path / "codec.safetensors", expected)
    jax.tree.map(np.testing.assert_array_equal, loaded, _params())
    assert jax.tree.structure(loaded) == jax.tree.structure(_params())


def test_half_precision_is_stored_and_cast_back_within_its_rounding(tmp_path):
    expected = _save(tmp_path / "codec.safetensors")
    loaded = weights.load_weights(tmp_path / "codec.safetensors", expected)
    assert loaded["encoder"]["kernel"].dtype == jnp.float32
    np.testing.assert_allclose(
        loaded["encoder"]["kernel"], _params()["encoder"]["kernel"], rtol=2**-11
    )
    np.testing.assert_array_equal(loaded["counts"], np.arange(4))


def test_the_configuration_is_in_the_file(tmp_path):
    _save(tmp_path / "codec.safetensors")
    network, config = weights.read_config(tmp_path / "codec.safetensors")
    assert (network, config) == ("codec", {"width": 8})


def test_the_same_weights_have_the_same_bytes_and_stay_readable(tmp_path):
    files = [tmp_path / f"{number}.safetensors" for number in range(8)]
    for path in files:
        _save(path)
    assert len({path.read_bytes() for path in files}) == 1
    leaves = safetensors.numpy.load_file(files[0])
    np.testing.assert_array_equal(leaves["counts"], np.arange(4))


@pytest.mark.parametrize("size", [0, 7, 60, -1])
def test_a_truncated_file_is_an_input_error_in_one_line(tmp_path, size):
    path = tmp_path / "codec.safetensors"
    expected = _save(path)
    path.write_bytes(path.read_bytes()[:size])
    for read in (weights.read_config, lambda p: weights.load_weights(p, expected)):
        with pytest.raises(errors.InputError) as caught:
            read(path)
        assert "\n" not in str(caught.value)
        assert "codec.safetensors" in str(caught.value)


def test_a_missing_file_names_the_path(tmp_path):
    with pytest.raises(errors.InputError, match=r"absent\.safetensors"):
        weights.read_config(tmp_path / "absent.safetensors")


def test_another_shape_names_the_leaf_and_both_shapes(tmp_path):
    expected = _save(tmp_path / "w.safetensors")
    expected["encoder"]["kernel"] = jax.ShapeDtypeStruct((2, 4), jnp.float32)
    with pytest.raises(errors.InputError, match=r"encoder/kernel.*\(2, 4\).*\(2, 3\)"):
        weights.load_weights(tmp_path / "w.safetensors", expected)


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_missing_and_extra_leaves_are_refused(tmp_path, change):
    expected = _save(tmp_path / "w.safetensors")
    if change == "missing":
        expected["decoder"] = jax.ShapeDtypeStruct((1,), jnp.float32)
    else:
        del expected["counts"]
    with pytest.raises(errors.InputError, match=r"decoder|counts"):
        weights.load_weights(tmp_path / "w.safetensors", expected)


def test_a_weight_beyond_half_precision_is_refused_rather_than_made_infinite(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(errors.InputError, match="big"):
        weights.save_weights(path, {"big": np.float32([1e6])}, "codec", {})
    assert not path.exists()


def test_an_unwritable_place_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(errors.InputError, match="Choose another path"):
        _save(tmp_path / "file" / "w.safetensors")


def test_a_scalar_stays_a_scalar(tmp_path):
    params = {"log_scale": jnp.asarray(2.5), "step": jnp.asarray(3)}
    weights.save_weights(tmp_path / "a.safetensors", params, "mulan", {}, np.float32)
    loaded = weights.load_weights(
        tmp_path / "a.safetensors",
        jax.eval_shape(lambda: params),
    )
    assert loaded["log_scale"].shape == ()
    assert float(loaded["log_scale"]) == 2.5
    assert int(loaded["step"]) == 3


def test_int8_is_within_half_a_step_of_each_columns_largest(tmp_path):
    kernel = jax.random.normal(jax.random.key(0), (40, 6)) * jnp.arange(6.0)[None, :]
    params = {"kernel": kernel, "bias": jnp.arange(6.0)}
    path = tmp_path / "a.safetensors"
    weights.save_weights(path, params, "codec", {}, np.int8)
    loaded = weights.load_weights(path, jax.eval_shape(lambda: params))
    step = jnp.max(jnp.abs(kernel), axis=0) / 127
    worst = jnp.max(jnp.abs(loaded["kernel"] - kernel), axis=0)
    assert jnp.all(worst <= 0.5001 * step)
    assert jnp.all(loaded["kernel"][:, 0] == 0)
    np.testing.assert_array_equal(loaded["bias"], params["bias"])
    weights.save_weights(tmp_path / "b.safetensors", params, "codec", {})
    assert path.stat().st_size < (tmp_path / "b.safetensors").stat().st_size


def test_a_configuration_of_another_version_is_an_input_error(tmp_path):
    path = tmp_path / "codec.safetensors"
    expected = _save(path)

    def make(fields):
        return fields["depth"]

    with pytest.raises(errors.InputError, match="one of this version's codec"):
        weights.load_network(path, "codec", make, lambda _: expected)
    with pytest.raises(errors.InputError, match="it holds 'codec'"):
        weights.load_network(path, "mulan", make, lambda _: expected)
    made, params = weights.load_network(
        path, "codec", lambda fields: fields["width"], lambda _: expected
    )
    assert made == 8
    assert set(params) == {"encoder", "counts"}
