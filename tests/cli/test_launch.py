"""`musicrl launch`: what is refused here costs nothing there."""

import json
import os
import re
import shlex

import pytest

from musicrl_jax.cli import main

SLICE = ("--name", "run1", "--zone", "zone-a", "--topology", "v5e:4x4")
RUN = ("--run_dir", "gs://bucket/run1", "--gin_file", "musicrl_mulan")
GKE = (
    "--name",
    "run1",
    "--image",
    "image",
    "--learner",
    "v5e:4x4",
    "--actor",
    "v5e:2x4",
)


@pytest.fixture
def launch(capsys):
    """Runs a command in this process: (exit code, standard output, error lines)."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main.main(["launch", *arguments])
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err.splitlines()

    return run


@pytest.mark.parametrize("engine", ["gke", "tpu_vm"])
def test_every_engine_has_help(launch, engine):
    code, out, lines = launch(engine, "--help")
    assert (code, lines) == (0, [])
    assert "--run_dir" in out


@pytest.mark.parametrize(
    ("engine", "more"),
    [
        (("gke",), GKE),
        (("tpu_vm", "learner"), (*SLICE, "--dry_run")),
    ],
    ids=["gke", "tpu_vm"],
)
def test_the_longest_name_of_the_help_is_the_longest_that_is_taken(
    launch, engine, more
):
    longest = int(re.findall(r"up to\s+(\d+)", launch(engine[0], "--help")[1])[0])
    assert launch(*engine, *more, *RUN, "--name", "r" * longest)[0] == 0
    assert launch(*engine, *more, *RUN, "--name", "r" * (longest + 1))[0] == 2


def test_prints_a_manifest(launch):
    code, out, _ = launch("gke", *GKE, *RUN, "--role", "actor", "--actors", "7")
    assert code == 0
    ((job,),) = [i["spec"]["replicatedJobs"] for i in json.loads(out)["items"]]
    assert (job["name"], job["replicas"]) == ("actor", 7)
    command = job["template"]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[4:6] == ["--gin_file", "gin/experiments/musicrl_mulan.gin"]


def test_a_dry_run_prints_lines_that_a_shell_reads(launch):
    odd = "RunConfig.captions='/my captions; rm -rf $HOME.jsonl'"
    code, out, _ = launch(
        "tpu_vm", "learner", *SLICE, *RUN, "--gin_param", odd, "--dry_run"
    )
    assert code == 0
    lines = [shlex.split(line) for line in out.splitlines()]
    assert {tuple(line[:3]) for line in lines} == {("gcloud", "compute", "tpus")}
    (start,) = [line for line in lines if "setsid" in out and "setsid" in str(line)]
    (remote,) = [w.removeprefix("--command=") for w in start if "setsid" in w]
    words = shlex.split(remote)
    role = words[words.index("-c") + 1].split("; ", 1)[1].rpartition("; ")[0]
    assert shlex.split(role) == [
        *("env", "JAX_PLATFORMS=tpu,cpu", "MUSICRL_NUM_PROCESSES=4"),
        *(".venv/bin/musicrl", "learner"),
        *("--run_dir", "gs://bucket/run1"),
        *("--gin_file", "gin/experiments/musicrl_mulan.gin", "--gin_param", odd),
    ]


def test_a_dry_run_of_giving_back_deletes_only(launch):
    _, out, _ = launch("tpu_vm", "learner", *SLICE, *RUN, "--delete", "--dry_run")
    verbs = [line.split()[4] for line in out.splitlines()]
    assert verbs == ["list", "delete"]


@pytest.mark.parametrize(
    "engine",
    [("gke", *GKE), ("tpu_vm", "learner", *SLICE, "--dry_run")],
    ids=["gke", "tpu_vm"],
)
def test_a_mesh_must_fit_the_learner_and_files_must_be_there(launch, engine):
    for binding, word in [
        ("MeshConfig.tensor=3", "16 devices"),
        ("RunConfig.networks='networks/none'", "networks/none"),
        ("RunConfig.networks='none'", "networks of the checkout"),
        ("RunConfig.policy='r.safetensors'", "RunConfig.policy"),
        ("RunConfig.captions='musicrl_jax'", "RunConfig.captions must be a file"),
        ("RewardConfig.preference_weights='p.safetensors'", "preference_weights"),
    ]:
        code, out, lines = launch(*engine, *RUN, "--gin_param", binding)
        assert (code, out, len(lines)) == (2, "", 1)
        assert word in lines[0]
    for binding in (
        "MeshConfig.tensor=4",
        "RunConfig.networks='/mnt/networks'",
        "RunConfig.policy='/mnt/r.safetensors'",
    ):
        assert launch(*engine, *RUN, "--gin_param", binding)[0] == 0


def test_networks_that_are_not_sent_are_refused_for_tpu_vms(launch):
    binding = "RunConfig.networks='tests'"
    assert launch("gke", *GKE, *RUN, "--gin_param", binding)[0] == 0
    slices = ("tpu_vm", "learner", *SLICE, *RUN, "--dry_run")
    assert launch(*slices, "--gin_param", binding)[0] == 2


def test_a_mesh_is_checked_for_the_learner_alone(launch):
    roles = ("--role", "actor", "--gin_param", "MeshConfig.tensor=3")
    assert launch("gke", *GKE, *RUN, *roles)[0] == 0


def test_a_slice_is_given_back_on_request(launch, tmp_path, monkeypatch):
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(f"#!/bin/sh\necho run1 ACTIVE\necho $4 >> {tmp_path}/calls\n")
    gcloud.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    gone = ("--gin_param", "RunConfig.networks='networks/none'")
    assert launch("tpu_vm", "learner", *SLICE, *RUN, *gone, "--delete")[0] == 0
    assert (tmp_path / "calls").read_text().split() == ["list", "delete"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("gke", *GKE, *RUN, "--gin_param", "LearnerConfig.stepz=1"), "stepz"),
        (("gke", *GKE, "--run_dir", "runs/1"), "bucket"),
        (("gke", *GKE, *RUN, "--actor", "v5e:4x4"), "one host"),
        (("gke", *GKE, *RUN, "--role", "trainer"), "--role"),
        (("gke", *GKE, "--run_dir", "gs://b/r", "--gin_file", "OUTSIDE"), "checkout"),
        (("gke", *GKE, *RUN, "--image", ""), "--image"),
        (("gke", *GKE, "--run_dir", "gs://"), "'gs://'"),
        (("gke", *GKE, *RUN, "--namespace", "Bad_NS"), "--namespace"),
        (("gke", *GKE, *RUN, "--queue", "Bad Queue"), "--queue"),
        (("tpu_vm", "learner", *SLICE, *RUN, "--zone", "", "--dry_run"), "--zone"),
        (("tpu_vm", "learner", *SLICE, "--run_dir", "gs://"), "got gs://"),
        (("tpu_vm", "actor", *SLICE, *RUN, "--dry_run"), "one host"),
        (("tpu_vm", "learner", *SLICE, *RUN, "--tries", "0"), "--tries"),
        (("tpu_vm", "learner", *SLICE, *RUN, "--wait_seconds", "0"), "waits above 0"),
        (("tpu_vm", *SLICE, *RUN), "'role'"),
        (("tpu_vm", "learner", *SLICE, "--run_dir", "/runs/1"), "got /runs/1"),
        (
            ("tpu_vm", "learner", *SLICE, "--run_dir", "runs/1", "--shared_run_dir"),
            "absolute path",
        ),
    ],
)
def test_refusals_are_one_line(launch, tmp_path, arguments, word):
    outside = tmp_path / "mine.gin"
    outside.write_text("include 'gin/experiments/musicrl_mulan.gin'\n")
    arguments = [str(outside) if a == "OUTSIDE" else a for a in arguments]
    code, out, lines = launch(*arguments)
    assert (code, out) == (2, "")
    assert len(lines) == 1
    assert word in lines[0]
