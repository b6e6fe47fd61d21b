"""The scripts of launch/: checked, dry, and against a gcloud that only pretends."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
LAUNCH = ROOT / "launch"
SCRIPTS = sorted([*LAUNCH.rglob("*.sh"), *LAUNCH.rglob("*.sbatch"), ROOT / ".ci/run"])

# Writes down each call; answers `list` and polls with the next line of a file.
GCLOUD = """#!/bin/sh
echo "$*" >> "$FAKE/calls"
answer() { head -n 1 "$FAKE/$1"; sed -i 1d "$FAKE/$1"; }
case "$*" in
  *"queued-resources list"*) answer states ;;
  *"echo absent"*) answer roles ;;
  *"tail -n"*) echo "worker-0: the reason" ;;
esac
"""
RECORD = """#!/bin/sh
echo "${0##*/}: $*" >> "$FAKE/calls"
"""
# Ends with the code that the test gives to its role.
SRUN = """#!/bin/sh
echo "srun: $* ${JAX_COORDINATOR_ADDRESS:-}" >> "$FAKE/calls"
case "$*" in *evaluator*) exit 0 ;; esac
exit "$CODE"
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A folder of commands that write down their calls, first on the PATH."""
    for name, text in {
        "gcloud": GCLOUD,
        "kubectl": RECORD.replace("$*", "$* < $(cat)"),
        "scontrol": RECORD + '[ "$1" != show ] || printf "node1\\nnode2\\n"\n',
        "srun": SRUN,
        "sbatch": RECORD + 'case "$*" in *--parsable*) echo 61 ;; esac\n',
        "scancel": RECORD,
        "musicrl": f'#!/bin/sh\nexec "{sys.executable}" -m musicrl_jax.cli.main "$@"\n',
    }.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MUSICRL", "musicrl")
    monkeypatch.setenv("FAKE", str(tmp_path))
    return tmp_path


def run(script, *arguments):
    command = [str(LAUNCH / script), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120
    )


def calls(fake):
    path = fake / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_shellcheck_finds_nothing():
    tool = shutil.which("shellcheck")
    assert tool, "shellcheck is missing; run: apt-get install shellcheck"
    done = subprocess.run(
        [tool, "--external-sources", *map(str, SCRIPTS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_parse_and_may_be_run(path):
    shell = path.read_text().splitlines()[0].rpartition("/")[2]
    done = subprocess.run([shell, "-n", str(path)], capture_output=True, check=False)
    assert (shell in ("sh", "bash"), done.returncode) == (True, 0), done.stderr
    read_only = path.name in ("musicrl.sh", "prepare_python.sh")
    assert os.access(path, os.X_OK) or read_only


def test_pre_emption_on_a_tpu_vm(fake):
    """Asked for, queued, taken away while the role runs, asked for again, done."""
    up = "run1\tACTIVE\n"
    states = ["\n", "run1\tWAITING_FOR_RESOURCES\n", up, up, "run1\tSUSPENDED\n"]
    states += ["run1\tSUSPENDED\n", "\n", up, up, up]
    (fake / "states").write_text("".join(states))
    (fake / "roles").write_text("absent\nrunning\nabsent\nrunning\n0\n")
    arguments = ["actor", "--name", "run1", "--zone", "zone-a", "--topology", "v5e:2x4"]
    arguments += ["--run_dir", "gs://b/run1", "--gin_file", "musicrl_mulan", "--spot"]
    done = run("tpu_vm.sh", *arguments, "--actor_id", "3", "--poll_seconds", "0.01")
    assert done.returncode == 0, done.stderr
    assert "slice run1 is SUSPENDED" in done.stderr
    made = calls(fake)
    assert sum("queued-resources create run1" in call for call in made) == 2
    assert sum("queued-resources delete run1 --force" in call for call in made) == 1
    starts = [call for call in made if "setsid" in call]
    assert len(starts) == 2
    assert "actor --run_dir gs://b/run1" in starts[0]
    assert "--actor_id 3" in starts[0]
    assert "--accelerator-type=v5litepod-8" in made[1]


def test_a_tpu_vm_without_a_shared_run_directory_is_not_asked_for(fake):
    arguments = ["learner", "--name", "run1", "--zone", "zone-a"]
    arguments += ["--topology", "v5e:4x4", "--gin_file", "musicrl_mulan"]
    done = run("tpu_vm.sh", *arguments, "--run_dir", "runs/1")
    assert (done.returncode, calls(fake)) == (2, [])
    (line,) = done.stderr.splitlines()
    assert "got runs/1" in line
    assert "--shared_run_dir" in line
    (fake / "states").write_text("run1\tACTIVE\n" * 3)
    (fake / "roles").write_text("absent\n" + "0 0 0 0\n")
    mounted = ["--run_dir", "/mnt/runs/1", "--shared_run_dir", "--poll_seconds", "0.01"]
    done = run("tpu_vm.sh", *arguments, *mounted)
    assert done.returncode == 0, done.stderr
    (start,) = [call for call in calls(fake) if "setsid" in call]
    assert "learner --run_dir /mnt/runs/1" in start


def test_a_tpu_vm_whose_role_is_refused_is_given_back(fake, monkeypatch):
    monkeypatch.chdir(fake)
    (fake / "states").write_text("run1\tACTIVE\n" * 3)
    (fake / "roles").write_text("absent\n2\n")
    arguments = ["actor", "--name", "run1", "--zone", "zone-a", "--topology", "v5e:2x4"]
    arguments += ["--run_dir", "gs://b/run1", "--gin_file", "musicrl_mulan"]
    arguments += ["--poll_seconds", "0.01", "--delete_when_done"]
    done = run("tpu_vm.sh", *arguments)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert "run1_role.log. Slice run1 was given back" in last
    assert (fake / "run1_role.log").read_text() == "worker-0: the reason\n"
    assert "queued-resources delete run1 --force" in calls(fake)[-1]


def test_gke_applies_what_was_rendered_and_nothing_that_was_refused(fake):
    stub = fake / "bin" / "musicrl"
    stub.write_text('#!/bin/sh\necho "$*"\nexit "${REFUSED:-0}"\n')
    shown = run("gke/run.sh", "--dry_run", "--name", "a b")
    assert shown.stdout == "launch gke --name a b\n"
    assert calls(fake) == []
    assert run("gke/run.sh", "--name", "a b").returncode == 0
    assert calls(fake) == ["kubectl: apply --filename - < launch gke --name a b"]
    stub.write_text("#!/bin/sh\nexit 2\n")
    assert run("gke/run.sh", "--name", "a b").returncode == 2
    assert len(calls(fake)) == 1


def test_slurm_submits_learner_and_actors(fake):
    shown = run("slurm/submit.sh", "--dry_run", "/shared/run1", "musicrl_mulan", "8")
    assert shown.stdout.splitlines()[0] == "RUN_DIR=/shared/run1 GIN_FILE=musicrl_mulan"
    assert calls(fake) == []
    done = run("slurm/submit.sh", "/shared/run1", "musicrl_mulan", "8", "--partition=p")
    assert done.returncode == 0
    assert done.stdout == "Submitted batch job 61\n"
    assert calls(fake) == [
        f"sbatch: --parsable {LAUNCH}/slurm/run.sbatch",
        f"sbatch: --array=0-7 --partition=p {LAUNCH}/slurm/actors.sbatch",
    ]
    assert run("slurm/submit.sh", "/shared/run1").returncode == 2


@pytest.mark.parametrize("file", ["no_such_one", "pretrain_mulan", "BAD"])
def test_slurm_gets_no_job_of_a_configuration_that_is_none(fake, file):
    bad = fake / "bad.gin"
    bad.write_text("include 'gin/runs/finetune.gin'\nLearnerConfig.stepz = 1\n")
    file = str(bad) if file == "BAD" else file
    done = run("slurm/submit.sh", "/shared/run1", file, "8")
    assert (done.returncode, done.stdout, calls(fake)) == (2, "", [])
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("cancelled", [True, False])
def test_slurm_keeps_no_learner_whose_actors_it_refused(fake, cancelled):
    refuses = 'case "$*" in *array*) exit 1 ;; *) echo "61;c1" ;; esac\n'
    (fake / "bin" / "sbatch").write_text(RECORD + refuses)
    if not cancelled:
        (fake / "bin" / "scancel").write_text("#!/bin/sh\nexit 1\n")
    done = run("slurm/submit.sh", "/shared/run1", "musicrl_mulan", "8")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert ("job 61 was cancelled" in line) == cancelled
    assert ("scancel 61" in line) != cancelled
    assert ("scancel: 61" in calls(fake)) == cancelled


@pytest.mark.parametrize("actors", ["0", "abc", "-3", "2.5", "4x", "", "08"])
def test_slurm_refuses_a_number_of_actors_that_is_none_and_says_what_it_got(
    fake, actors
):
    done = run("slurm/submit.sh", "/shared/run1", "musicrl_mulan", actors)
    assert (done.returncode, calls(fake)) == (2, [])
    assert done.stderr.splitlines() == [
        f"submit.sh: ACTORS must be a number, 1 or more; got '{actors}'"
    ]


@pytest.fixture
def slurm(fake, monkeypatch):
    """Runs a batch script as Slurm would: (exit code, its calls)."""
    for name, value in {
        "SLURM_SUBMIT_DIR": str(fake),
        "SLURM_JOB_ID": "61",
        "SLURM_JOB_NODELIST_HET_GROUP_0": "node[1-2]",
        "SLURM_ARRAY_JOB_ID": "60",
        "SLURM_ARRAY_TASK_ID": "2",
        "RUN_DIR": "/shared/run1",
        "GIN_FILE": "musicrl_mulan",
    }.items():
        monkeypatch.setenv(name, value)

    def start(script, code, restarts=0, *arguments):
        (fake / "calls").write_text("")
        monkeypatch.setenv("CODE", str(code))
        monkeypatch.setenv("SLURM_RESTART_COUNT", str(restarts))
        return run(f"slurm/{script}", *arguments).returncode, calls(fake)

    return start


ENDS = [(0, 0, False), (143, 0, True), (75, 3, True), (1, 0, True), (1, 20, False)]
ENDS += [(2, 0, False), (70, 0, False), (78, 0, False)]


@pytest.mark.parametrize(("code", "restarts", "again"), ENDS)
def test_slurm_queues_again_what_may_go_on(slurm, code, restarts, again):
    shared = "--run_dir /shared/run1 --gin_file musicrl_mulan"
    ended, made = slurm("run.sbatch", code, restarts)
    assert ended == code
    learner = f"learner {shared} node1:61501"
    assert any(call.endswith(learner) and "het-group=0" in call for call in made)
    assert ("scontrol: requeue 61" in made) == again
    ended, made = slurm("actors.sbatch", code, restarts)
    assert ended == code
    assert made[0].strip() == f"srun: .venv/bin/musicrl actor {shared} --actor_id 2"
    assert ("scontrol: requeue 60_2" in made) == again


def test_slurm_queues_nothing_again_that_a_person_stopped(slurm, fake, monkeypatch):
    monkeypatch.setenv("RUN_DIR", str(fake))
    (fake / "stop").touch()
    (fake / "trials.txt").write_text("musicrl a\nmusicrl b\n")
    (fake / "trials.txt.stop").touch()
    for script in ("run.sbatch", "actors.sbatch", "trials.sbatch"):
        ended, made = slurm(script, 143, 0, "trials.txt")
        assert ended == 143
        assert not [call for call in made if "requeue" in call]


def test_slurm_runs_the_line_of_a_trial(slurm, fake):
    (fake / "trials.txt").write_text("musicrl a\nmusicrl b --x 'y z'\nmusicrl c\n")
    ended, made = slurm("trials.sbatch", 143, 0, "trials.txt")
    assert ended == 143
    assert made[0].strip() == "srun: sh -c exec musicrl b --x 'y z'"
    assert made[1] == "scontrol: requeue 60_2"
    assert slurm("trials.sbatch", 2, 0, "trials.txt")[1][1:] == []


@pytest.mark.parametrize(
    ("script", "command"), [("local.sh", "finetune"), ("sweep.sh", "sweep")]
)
def test_thin_scripts_pass_everything_on(fake, script, command, monkeypatch):
    (fake / "bin" / "recorded").write_text(RECORD)
    (fake / "bin" / "recorded").chmod(0o755)
    monkeypatch.setenv("MUSICRL", "recorded")
    assert run(script, "--run_dir", "a b").returncode == 0
    assert calls(fake) == [f"recorded: {command} --run_dir a b"]
