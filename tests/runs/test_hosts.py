"""Which processes a learner joins: as told, as the environment says, or none."""

import pytest

from musicrl_jax.core import errors
from musicrl_jax.runs import hosts

NONE = hosts.Hosts()
SLURM = {
    "SLURM_JOB_ID": "70001",
    "SLURM_STEP_NODELIST": "gpu[017-019],big1",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
}
TPUS = {"TPU_WORKER_ID": "1", "TPU_WORKER_HOSTNAMES": "a,b"}
TOLD = {
    hosts.COORDINATOR: "node1:8476",
    hosts.NUM_PROCESSES: "3",
    hosts.PROCESS_ID: "1",
}


def as_told(coordinator, count, number):
    return hosts.Hosts(coordinator=coordinator, num_processes=count, process_id=number)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TPU_WORKER_HOSTNAMES": "localhost"},
        {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"},  # no step
        SLURM | {"SLURM_NTASKS": "1", "SLURM_PROCID": "0"},
        {hosts.NUM_PROCESSES: "1"},
        TPUS | {hosts.NUM_PROCESSES: "1"},
    ],
)
def test_a_process_that_is_alone_joins_nothing(environment):
    assert hosts.find(NONE, environment) is None


def test_variables_say_it_and_options_go_over_them():
    assert hosts.find(NONE, TOLD | TPUS) == as_told("node1:8476", 3, 1)
    given = as_told("node2:99", 3, 0)
    assert hosts.find(given, TOLD | SLURM) == given


def test_slurm_says_it():
    assert hosts.find(NONE, SLURM) == as_told(f"gpu017:{61440 + 70001 % 4096}", 4, 2)
    address = SLURM | {"JAX_COORDINATOR_ADDRESS": "gpu017:5"}
    assert hosts.find(NONE, address) == as_told("gpu017:5", 4, 2)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node1", "node1"),
        ("node1,node2", "node1"),
        ("gpu[017-019],big1", "gpu017"),
        ("gpu[3,5-7]", "gpu3"),
        ("a-b,gpu[3,5-7]", "a-b"),
    ],
)
def test_the_first_of_slurms_nodes(nodes, first):
    assert hosts.first_node(nodes) == first


@pytest.mark.parametrize(
    "environment",
    [TPUS, {"MEGASCALE_NUM_SLICES": "2"}, {"JAX_COORDINATOR_ADDRESS": "a:1"}],
)
def test_what_jax_can_find_out_is_left_to_it(environment):
    assert hosts.find(NONE, environment) == NONE


def test_a_number_of_processes_alone_is_for_jax_to_meet():
    count = hosts.Hosts(num_processes=4)
    assert hosts.find(count, {}) == count
    assert hosts.find(count, TPUS) == count


@pytest.mark.parametrize(
    "fields",
    [
        {"coordinator": "node1:8476"},
        {"coordinator": "node1:8476", "num_processes": 2},
        {"num_processes": 2, "process_id": 0},
        {"process_id": 0},
        {"coordinator": "node1", "num_processes": 2, "process_id": 0},
        {"coordinator": "node1:8476", "num_processes": 2, "process_id": 2},
        {"num_processes": 0},
    ],
)
def test_what_is_not_whole_is_refused(fields):
    with pytest.raises(errors.InputError):
        hosts.Hosts(**fields)


def test_a_variable_that_is_no_number_is_named():
    with pytest.raises(errors.InputError, match=hosts.NUM_PROCESSES):
        hosts.find(NONE, {hosts.NUM_PROCESSES: "two"})
