"""O14: two actor processes and a learner of two processes reach O2's fixed point.

Over localhost, with two CPU devices a learner process. What the run decided is then
done again, bit for bit or nearly so, by learners of one process and of two, that are
killed and stopped on the way. The order of the tests does not matter; all begin from
the run of the first.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from musicrl_jax.checkpoints import reader
from musicrl_jax.core import writers
from musicrl_jax.runs import hosts, policy_source
from tests.oracles import exact, two_process_roles

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]
STEPS = two_process_roles.PROBLEM.config.steps
SECONDS = 400  # hard end of a test's processes, on a busy machine too
LOST = (75, -signal.SIGABRT)  # as an error, or by JAX's own hand; both are tried again


class Family:
    """Processes that do not outlive the test."""

    def __init__(self, folder):
        self.folder = folder
        self.deadline = time.monotonic() + SECONDS
        self.processes = []

    def start(self, devices, *arguments):
        # XLA's threads: twice the devices, or its collectives wait for one another.
        environment = os.environ | {
            "JAX_PLATFORMS": "cpu",
            "JAX_NUM_CPU_DEVICES": str(devices),
            "NPROC": "8",
            "PYTHONPATH": str(ROOT),
        }
        module = (sys.executable, "-m", "tests.oracles.two_process_roles")
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [*module, *map(str, arguments)],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def learners(self, run_dir, count):
        """Starts a learner of `count` processes, on four devices in all."""
        with socket.socket() as found:
            found.bind(("localhost", 0))
            port = found.getsockname()[1]
        place = f"localhost:{port}"
        return [
            self.start(4 // count, "learner", run_dir, place, count, number)
            for number in range(count)
        ]

    def codes(self, processes):
        """Waits; returns the exit codes."""
        for process in processes:
            try:
                process.wait(max(self.deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                pytest.fail(f"processes hang\n{self.words()}")
        return [process.returncode for process in processes]

    def wait_until(self, condition):
        while not condition():
            if time.monotonic() > self.deadline:
                pytest.fail(f"nothing comes\n{self.words()}")
            time.sleep(0.05)

    def words(self):
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"== {log.name}\n{log.read_text()[-2000:]}" for log in logs)

    def end(self):
        for process in self.processes:
            process.kill()  # SIGTERM is what a learner of several hosts saves at
            process.wait()


@pytest.fixture
def family(tmp_path):
    found = Family(tmp_path)
    yield found
    found.end()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Returns the directory of a run of two actors and a learner of two processes."""
    folder = tmp_path_factory.mktemp("o14")
    family = Family(folder)
    run_dir = folder / "run"
    try:
        learners = family.learners(run_dir, 2)
        actors = [family.start(1, "actor", run_dir, number) for number in range(2)]
        assert family.codes(learners + actors) == [0] * 4, family.words()
    finally:
        family.end()
    return run_dir


def copy_of(run_dir, folder):
    """Returns a run that has the decisions of `run_dir`, and nothing learnt yet."""
    for name in ("traj", "batches"):
        shutil.copytree(run_dir / name, folder / "again" / name)
    return folder / "again"


def steps_done(run_dir):
    path = run_dir / "metrics" / "learner.jsonl"
    rows = writers.read_json_lines(path) if path.exists() else []
    return int(rows[-1]["step"]) if rows else 0


def parents(run_dir):
    """Returns for each epoch the (epoch, step) that it went on from."""
    paths = sorted((run_dir / "learner").glob("parent-*"))
    return [json.loads(path.read_text()) for path in paths]


def policy_at(run_dir, step=STEPS):
    reference = two_process_roles.PROBLEM.reference()
    found = reader.CheckpointReader(str(run_dir))
    identity = max(entry for entry in found.list() if entry.step == step)
    publication = json.loads(
        (run_dir / "published" / f"{identity.epoch:06d}-{step:08d}.json").read_text()
    )
    digest = reader.digests.TreeDigest.from_dict(publication["policy"])
    abstract = policy_source.abstract_tree(reference)
    return found.restore_policy(identity, digest, abstract), publication["digest"]


def assert_same_policies(left, right, step=STEPS):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5),
        policy_at(left, step)[0],
        policy_at(right, step)[0],
    )


def test_actors_and_a_learner_of_two_processes_reach_the_fixed_point(finished):
    problem = two_process_roles.PROBLEM
    reference = problem.reference()
    reached = problem.clip_probs(policy_at(finished)[0])
    local = exact.local_fixed_point(problem, reference)
    assert exact.total_variation(reached, local) < 0.02
    other = exact.sequence_optimum(problem, reference)
    assert exact.total_variation(reached, other) > 0.1
    batches = sorted((finished / "batches").iterdir())
    used = [
        tuple(item)
        for path in batches
        for item in json.loads(path.read_text())["items"]
    ]
    assert len(batches) == STEPS
    assert len(used) == len(set(used)) == STEPS * problem.config.batch_clips
    assert {key.split("_")[1] for key, _ in used} == {"a0", "a1"}
    assert [row["step"] for row in metrics(finished)] == list(range(1, STEPS + 1))


def metrics(run_dir):
    return writers.read_json_lines(run_dir / "metrics" / "learner.jsonl")


def test_a_lost_host_ends_the_other_and_the_pair_goes_on_bit_for_bit(
    finished, family, tmp_path
):
    run_dir = copy_of(finished, tmp_path)
    pair = family.learners(run_dir, 2)
    family.wait_until(lambda: steps_done(run_dir) >= 30)
    pair[1].kill()
    since = time.monotonic()
    assert family.codes(pair)[0] in LOST, family.words()
    # Longer than JAX needs to miss a host is longer than it may take.
    assert time.monotonic() - since < hosts.HEARTBEAT_SECONDS + 30
    assert not (run_dir / "learner" / "done").exists()
    pair = family.learners(run_dir, 2)
    assert family.codes(pair) == [0, 0], family.words()
    first, second = parents(run_dir)
    assert first is None
    assert second[0] == 1
    assert second[1] >= 10
    assert policy_at(run_dir)[1] == policy_at(finished)[1]


def test_one_process_and_two_go_on_from_each_other(finished, family, tmp_path):
    run_dir = copy_of(finished, tmp_path)
    (one,) = family.learners(run_dir, 1)
    family.wait_until(lambda: steps_done(run_dir) >= 60)
    one.terminate()
    assert family.codes([one]) == [143], family.words()
    at = two_process_roles.PUBLISH_EVERY * 6
    assert_same_policies(run_dir, finished, step=at)
    pair = family.learners(run_dir, 2)
    stopped = steps_done(run_dir)
    family.wait_until(lambda: steps_done(run_dir) > stopped + 5)
    pair[1].terminate()
    assert family.codes(pair) == [143, 143], family.words()
    (one,) = family.learners(run_dir, 1)
    assert family.codes([one]) == [0], family.words()
    assert parents(run_dir)[1:] == [[1, stopped], [2, parents(run_dir)[2][1]]]
    assert [row["step"] for row in metrics(run_dir)] == list(range(1, STEPS + 1))
    assert_same_policies(run_dir, finished)
