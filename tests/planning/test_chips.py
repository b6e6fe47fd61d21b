import pytest

from musicrl_jax.core import errors
from musicrl_jax.planning import chips, roofline


@pytest.mark.parametrize(
    ("name", "count", "hosts"),
    [
        ("v5e:4x4", 16, 4),
        ("v5e:2x2", 4, 1),
        ("v5p:4x4x4", 64, 16),
        ("v6e:16x16", 256, 64),
    ],
)
def test_chips_and_hosts_of_a_slice(name, count, hosts):
    topology = chips.parse(name)
    assert (topology.chips, topology.hosts) == (count, hosts)


def test_several_slices_have_the_chips_of_all():
    two = chips.parse("v5e:4x4", 2)
    assert (two.name, two.chips, two.hosts) == ("2 x v5e:4x4", 32, 8)
    assert two.one_host.slices == 1


@pytest.mark.parametrize("name", ["v5e", "v9:4x4", "v5e:4", "v5e:4x", "v5p:2x2x2x2"])
def test_malformed_topologies_are_refused(name):
    with pytest.raises(errors.InputError, match=r"as in v5e:4x4|one of the shapes"):
        chips.parse(name)


@pytest.mark.parametrize(
    ("name", "host"), [("v5e:16x16", "v5e:2x4"), ("v5p:4x4x4", "v5p:2x2x1")]
)
def test_an_actor_takes_the_largest_host(name, host):
    target = chips.parse(name).one_host
    assert (target.name, target.hosts) == (host, 1)


def test_the_slowest_of_three_bounds():
    chip = chips.CHIPS["v5e"]
    needs = roofline.Needs(
        arguments=1,
        outputs=2,
        temporaries=3,
        code=4,
        flops=197e12,
        memory_bytes=2 * 819e9,
        sent_bytes=0.5 * 200e9,
        collectives={},
        largest_gather=0,
    )
    found = roofline.estimate(needs, chip, useful_flops=98.5e12)
    assert (found.compute, found.memory, found.network) == (1.0, 2.0, 0.5)
    assert (found.bound, found.seconds) == ("memory", 2.0)
    assert found.mfu_ceiling == pytest.approx(0.25)
    assert needs.peak == 10
