"""What is refused before gcloud is called."""

import pytest

from musicrl_jax.core import errors
from musicrl_jax.planning import tpu_topology
from musicrl_jax.runs import gcloud


@pytest.mark.parametrize("name", ["BAD NAME", "1run", "run-", "", "r" * 62])
def test_a_name_that_gcloud_would_refuse_is_refused_here(name):
    with pytest.raises(errors.InputError, match="A slice's name"):
        gcloud.Commands(
            name=name,
            zone="zone-a",
            topology=tpu_topology.parse("v5e:4x4"),
            role="learner",
            arguments=("learner",),
        )


@pytest.mark.parametrize("zone", ["", "us east", "US-east5-a", "us-"])
def test_a_zone_that_is_none_is_refused(zone):
    with pytest.raises(errors.InputError, match=f"got {zone!r}. Set --zone"):
        gcloud.Commands(
            name="run1",
            zone=zone,
            topology=tpu_topology.parse("v5e:4x4"),
            role="learner",
            arguments=("learner",),
        )
