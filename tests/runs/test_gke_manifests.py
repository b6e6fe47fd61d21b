"""Rendered JobSets: strict against their schema, and saying what the roles need."""

import dataclasses
import json
import pathlib
import sys

import pytest

from musicrl_jax.core import errors
from musicrl_jax.planning import tpu_topology
from musicrl_jax.runs import gke_config, gke_manifests

SCHEMA = json.loads(pathlib.Path(__file__).with_name("jobset_schema.json").read_text())
CONFIG = gke_config.GkeConfig(
    name="run1",
    image="registry/musicrl:1",
    run_dir="gs://bucket/run1",
    learner="v5p:4x4x4",
    actor="v5e:2x4",
    gin_files=("gin/experiments/musicrl_mulan.gin",),
    gin_params=("LearnerConfig.steps=7",),
    actors=3,
)


@pytest.fixture
def faults(monkeypatch):
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parent))
    import strict_schema

    yield lambda manifest: strict_schema.faults(manifest, SCHEMA, SCHEMA["definitions"])
    sys.modules.pop("strict_schema")


def change(**fields):
    return dataclasses.replace(CONFIG, **fields)


def jobs(manifest):
    """Returns each role's jobs: name of the JobSet, replicas, job, pod."""
    return {
        f"{item['metadata']['name']}/{job['name']}": job
        for item in manifest["items"]
        for job in item["spec"]["replicatedJobs"]
    }


def pod(job):
    return job["template"]["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        change(queue="tpu", spot=False, service_account="trainer", namespace="music"),
        change(apart=True, first_actor=5),
        change(roles=("actor",)),
        change(learner="v5e:1x1", evaluator="v6e:1x1", restarts=0),
    ],
)
def test_follows_the_schema(faults, config):
    manifest = json.loads(json.dumps(gke_manifests.render(config)))
    assert faults(manifest) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("failurePolicy", "maxRestart"), 3),
        (("failurePolicy", "maxRestarts"), "3"),
        (("failurePolicy", "rules", 0, "action"), "Restart"),
        (("successPolicy", "operator"), "all"),
        (("replicatedJobs", 0, "template", "spec", "backOffLimit"), 1),
        (("replicatedJobs", 0, "template", "spec", "parallelism"), 0),
        (("replicatedJobs", 0, "template", "spec", "template", "spec", "volumes"), []),
    ],
)
def test_the_schema_refuses_mutations(faults, path, value):
    manifest = gke_manifests.render(CONFIG)
    place = manifest["items"][0]["spec"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert len(faults(manifest)) == 1


@pytest.mark.parametrize("apart", [False, True])
def test_pods_times_chips_are_the_slice(apart):
    config = change(apart=apart)
    slices = config.slices()
    for name, job in jobs(gke_manifests.render(config)).items():
        topology = slices[name.split("/")[1]]
        spec = job["template"]["spec"]
        resources = pod(job)["containers"][0]["resources"]
        assert resources["limits"] == resources["requests"]
        chips = int(resources["limits"]["google.com/tpu"])
        assert spec["completions"] == spec["parallelism"] == topology.hosts
        assert chips * spec["completions"] == topology.chips
        assert pod(job)["nodeSelector"] == pod(job)["nodeSelector"] | {
            "cloud.google.com/gke-tpu-accelerator": topology.gke_accelerator,
            "cloud.google.com/gke-tpu-topology": topology.shape,
        }


def test_every_role_ends_in_the_same_command():
    for name, job in jobs(gke_manifests.render(CONFIG)).items():
        role = name.split("/")[1]
        shared = ["musicrl", role, "--run_dir", "gs://bucket/run1"]
        shared += ["--gin_file", "gin/experiments/musicrl_mulan.gin"]
        shared += ["--gin_param", "LearnerConfig.steps=7"]
        number = ["--actor_id", "$(ACTOR_ID)"] if role == "actor" else []
        assert pod(job)["containers"][0]["command"] == shared + number


def test_actors_of_one_set_are_numbered_by_their_job():
    job = jobs(gke_manifests.render(CONFIG))["run1/actor"]
    assert job["replicas"] == 3
    names = {e["name"]: e for e in pod(job)["containers"][0]["env"]}
    path = names["ACTOR_ID"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert path == "metadata.labels['jobset.sigs.k8s.io/job-index']"


@pytest.mark.parametrize(("learner", "hosts"), [("v5e:2x4", None), ("v5e:4x4", "4")])
def test_a_learner_over_several_hosts_knows_how_many(learner, hosts):
    found = jobs(gke_manifests.render(change(learner=learner)))
    told = {
        name: {e["name"]: e.get("value") for e in pod(job)["containers"][0]["env"]}
        for name, job in found.items()
    }
    assert told.pop("run1/learner").get("MUSICRL_NUM_PROCESSES") == hosts
    assert not any("MUSICRL_NUM_PROCESSES" in names for names in told.values())


def test_apart_each_process_has_its_own_set_and_actors_their_numbers():
    found = jobs(gke_manifests.render(change(apart=True, first_actor=5)))
    assert list(found) == [
        *("run1-learner/learner", "run1-evaluator/evaluator"),
        *("run1-actor-5/actor", "run1-actor-6/actor", "run1-actor-7/actor"),
    ]
    command = pod(found["run1-actor-6/actor"])["containers"][0]["command"]
    assert command[-2:] == ["--actor_id", "6"]


def test_a_failed_job_restarts_alone_and_a_hopeless_one_ends_all():
    (item,) = gke_manifests.render(CONFIG)["items"]
    first, second = item["spec"]["failurePolicy"]["rules"]
    assert first["action"] == "FailJobSet"
    assert first["onJobFailureReasons"] == ["PodFailurePolicy"]
    assert second == {"name": "restart_that_job", "action": "RestartJob"}
    assert item["spec"]["successPolicy"]["targetReplicatedJobs"] == [
        "learner",
        "evaluator",
    ]


def test_old_clusters_meet_no_new_action_apart():
    for item in gke_manifests.render(change(apart=True))["items"]:
        actions = {r["action"] for r in item["spec"]["failurePolicy"]["rules"]}
        assert actions == {"FailJobSet"}


def test_disruption_of_an_actor_does_not_count_and_bad_input_ends_it():
    found = jobs(gke_manifests.render(CONFIG))
    rules = found["run1/actor"]["template"]["spec"]["podFailurePolicy"]["rules"]
    assert rules[0]["action"] == "FailJob"
    assert rules[0]["onExitCodes"]["values"] == [2, 70, 78]
    assert rules[1]["onPodConditions"][0]["type"] == "DisruptionTarget"
    assert rules[2]["onExitCodes"]["values"] == [143]
    assert {rule["action"] for rule in rules[1:]} == {"Ignore"}
    learner = found["run1/learner"]["template"]["spec"]
    assert learner["backoffLimit"] == 0
    assert len(learner["podFailurePolicy"]["rules"]) == 1


def test_only_slices_of_several_hosts_have_a_pool_to_themselves():
    found = jobs(gke_manifests.render(CONFIG))
    assert "annotations" in found["run1/learner"]["template"]["metadata"]
    assert "annotations" not in found["run1/actor"]["template"]["metadata"]


def test_the_learner_stays_off_spot_nodes():
    found = jobs(gke_manifests.render(CONFIG))
    spot = {name: "tolerations" in pod(job) for name, job in found.items()}
    assert spot == {"run1/learner": False, "run1/evaluator": True, "run1/actor": True}


def test_the_queue_is_a_label_of_the_set():
    (item,) = gke_manifests.render(change(queue="tpu"))["items"]
    assert item["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "tpu"


def test_what_kubernetes_would_expand_is_escaped():
    config = change(gin_params=("RunConfig.captions='$(ACTOR_ID)'",))
    for job in jobs(gke_manifests.render(config)).values():
        command = pod(job)["containers"][0]["command"]
        assert "RunConfig.captions='$$(ACTOR_ID)'" in command


@pytest.mark.parametrize("apart", [False, True])
def test_names_of_pods_fit_a_host_name(apart):
    many = {"actors": 1, "first_actor": 999} if apart else {"actors": 1000}
    config = change(name="r" * gke_config.MAX_NAME, apart=apart, **many)
    for name, job in jobs(gke_manifests.render(config)).items():
        last = job["template"]["spec"]["completions"] - 1
        pod_name = f"{name.replace('/', '-')}-{job['replicas'] - 1}-{last}-abcde"
        assert len(pod_name) <= 63


@pytest.mark.parametrize(
    "fields",
    [
        *({"name": n} for n in ("", "Run", "run_1", "1run", "run-", "r" * 31)),
        *({"run_dir": d} for d in ("", "runs/1", "/mnt/run", "http://x", "gs://")),
        *({"image": i} for i in ("", " ", "my image")),
        *({"namespace": n} for n in ("", "Bad_NS", "a.b", "-a", "r" * 64)),
        *({"queue": q} for q in ("Bad Queue", "q-", "q..r", "r" * 64)),
        *({"service_account": a} for a in ("", "Me", "a b")),
        {"actors": 0},
        {"first_actor": 3},
        {"first_actor": -1, "apart": True},
        {"restarts": -1},
        {"roles": ()},
        {"roles": ("trainer",)},
    ],
)
def test_refuses_bad_parameters(fields):
    with pytest.raises(errors.InputError, match="got"):
        change(**fields)


def test_takes_names_that_kubernetes_takes():
    change(namespace="1-music", queue="tpu.v5e", service_account="trainer.music")


@pytest.mark.parametrize("role", ["actor", "evaluator"])
def test_refuses_roles_over_several_hosts(role):
    with pytest.raises(errors.InputError, match=f"{role} runs on one host"):
        gke_manifests.render(change(**{role: "v5e:4x4"}))


@pytest.mark.parametrize("name", ["v5e:2x4", "v6e:4x4", "v5p:2x2x1"])
def test_the_learner_takes_any_slice(name):
    job = jobs(gke_manifests.render(change(learner=name)))["run1/learner"]
    assert job["template"]["spec"]["completions"] == tpu_topology.parse(name).hosts
