"""Chips and hosts of slices, against tables of Google Cloud's documentation."""

import pytest

from musicrl_jax.core import errors
from musicrl_jax.planning import tpu_topology

# name, chips, hosts, GKE's accelerator and machine, Cloud TPU's accelerator type
KNOWN = [
    ("v4:2x2x1", 4, 1, "tpu-v4-podslice", "ct4p-hightpu-4t", "v4-8"),
    ("v4:2x2x4", 16, 4, "tpu-v4-podslice", "ct4p-hightpu-4t", "v4-32"),
    ("v5e:1x1", 1, 1, "tpu-v5-lite-podslice", "ct5lp-hightpu-1t", "v5litepod-1"),
    ("v5e:2x2", 4, 1, "tpu-v5-lite-podslice", "ct5lp-hightpu-4t", "v5litepod-4"),
    ("v5e:2x4", 8, 1, "tpu-v5-lite-podslice", "ct5lp-hightpu-8t", "v5litepod-8"),
    ("v5e:4x4", 16, 4, "tpu-v5-lite-podslice", "ct5lp-hightpu-4t", "v5litepod-16"),
    ("v5e:4x8", 32, 8, "tpu-v5-lite-podslice", "ct5lp-hightpu-4t", "v5litepod-32"),
    ("v5e:8x8", 64, 16, "tpu-v5-lite-podslice", "ct5lp-hightpu-4t", "v5litepod-64"),
    ("v5e:8x16", 128, 32, "tpu-v5-lite-podslice", "ct5lp-hightpu-4t", "v5litepod-128"),
    ("v5e:16x16", 256, 64, "tpu-v5-lite-podslice", "ct5lp-hightpu-4t", "v5litepod-256"),
    ("v5p:2x2x1", 4, 1, "tpu-v5p-slice", "ct5p-hightpu-4t", "v5p-8"),
    ("v5p:2x2x2", 8, 2, "tpu-v5p-slice", "ct5p-hightpu-4t", "v5p-16"),
    ("v5p:2x4x4", 32, 8, "tpu-v5p-slice", "ct5p-hightpu-4t", "v5p-64"),
    ("v5p:4x4x4", 64, 16, "tpu-v5p-slice", "ct5p-hightpu-4t", "v5p-128"),
    ("v5p:8x8x8", 512, 128, "tpu-v5p-slice", "ct5p-hightpu-4t", "v5p-1024"),
    ("v6e:1x1", 1, 1, "tpu-v6e-slice", "ct6e-standard-1t", "v6e-1"),
    ("v6e:2x2", 4, 1, "tpu-v6e-slice", "ct6e-standard-4t", "v6e-4"),
    ("v6e:2x4", 8, 1, "tpu-v6e-slice", "ct6e-standard-8t", "v6e-8"),
    ("v6e:4x4", 16, 4, "tpu-v6e-slice", "ct6e-standard-4t", "v6e-16"),
    ("v6e:16x16", 256, 64, "tpu-v6e-slice", "ct6e-standard-4t", "v6e-256"),
]


@pytest.mark.parametrize(
    ("name", "chips", "hosts", "accelerator", "machine", "kind"), KNOWN
)
def test_slices_are_as_documented(name, chips, hosts, accelerator, machine, kind):
    found = tpu_topology.parse(name)
    assert (found.name, found.chips, found.hosts) == (name, chips, hosts)
    assert found.chips_per_host * hosts == chips
    assert found.gke_accelerator == accelerator
    assert found.gke_machine == machine
    assert found.accelerator_type == kind


@pytest.mark.parametrize(
    "name",
    [
        *(
            "v5e",
            "v5e:",
            "4x4",
            "v9:4x4",
            "v5e:4x2",
            "v5e:4x4x4",
            "v5e:32x32",
            "V5e:4x4",
        ),
        *("v5p:4x4", "v5p:8x4x4", "v5p:4x4x6", "v5p:0x4x4", "v5p:4x4x04", "v5p:-4x4x4"),
        *("v5p:1x1x1", "v5p:4x4x4x4"),
    ],
)
def test_refuses_what_cannot_be_had(name):
    with pytest.raises(errors.InputError, match="got"):
        tpu_topology.parse(name)


def test_a_role_of_one_host_gets_one():
    assert tpu_topology.parse("v5e:2x4", one_host_for="actor").hosts == 1
    with pytest.raises(
        errors.InputError, match="actor runs on one host; v5e:4x4 has 4"
    ):
        tpu_topology.parse("v5e:4x4", one_host_for="actor")
