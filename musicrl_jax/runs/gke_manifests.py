"""Kubernetes manifests of a run on GKE: a JobSet of learner, evaluator and actors.

JobSet's API is v1alpha2. Restarting one Job of a set by itself needs JobSet 0.12 or
newer; manifests rendered `apart`, a JobSet for each process, need no such thing, and a
queue admits them one by one.
"""

from typing import Any

from musicrl_jax.planning import tpu_topology
from musicrl_jax.runs import exit_codes, gke_config, hosts

Manifest = dict[str, Any]

EXCLUSIVE_TOPOLOGY = "alpha.jobset.sigs.k8s.io/exclusive-topology"
JOB_INDEX_LABEL = "jobset.sigs.k8s.io/job-index"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
NODE_POOL = "cloud.google.com/gke-nodepool"
SPOT = "cloud.google.com/gke-spot"

RETRIES = 6  # of a pod, before its Job counts as failed
# The learner saves its state; the system gives spot machines less, whatever is asked.
GRACE_SECONDS = {"learner": 300, "evaluator": 25, "actor": 25}


def render(config: gke_config.GkeConfig) -> Manifest:
    """Returns a List of all objects, for `kubectl apply --filename -`.

    Raises:
      InputError: see `GkeConfig.slices`.
    """
    slices = config.slices()
    if not config.apart:
        jobs = [
            replicated_job(config, role, slices[role], actor_id="$(ACTOR_ID)")
            for role in config.roles
        ]
        items = [job_set(config, config.name, jobs)]
    else:
        items = [
            job_set(
                config,
                f"{config.name}-{role}",
                [replicated_job(config, role, slices[role], actor_id="")],
            )
            for role in config.roles
            if role != "actor"
        ]
        first = config.first_actor
        items += [
            job_set(
                config,
                f"{config.name}-actor-{number}",
                [replicated_job(config, "actor", slices["actor"], str(number))],
            )
            for number in range(first, first + config.actors)
            if "actor" in config.roles
        ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def job_set(config: gke_config.GkeConfig, name: str, jobs: list[Manifest]) -> Manifest:
    """Returns a JobSet: done when learner and evaluator are, or all that it has."""
    roles = [job["name"] for job in jobs]
    lasting = [role for role in roles if role != "actor"] or roles
    labels = {"app.kubernetes.io/name": "musicrl", "app.kubernetes.io/part-of": name}
    if config.queue:
        labels[QUEUE_LABEL] = config.queue
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": name, "namespace": config.namespace, "labels": labels},
        "spec": {
            "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
            "successPolicy": {"operator": "All", "targetReplicatedJobs": lasting},
            "failurePolicy": failure_policy(config, alone=len(jobs) == 1),
            "replicatedJobs": jobs,
        },
    }


def failure_policy(config: gke_config.GkeConfig, *, alone: bool) -> Manifest:
    """Returns what follows a failed Job: hopeless ends all, others restart that Job."""
    rules = [
        {
            "name": "hopeless",
            "action": "FailJobSet",
            "onJobFailureReasons": ["PodFailurePolicy"],
        }
    ]
    if not alone:
        rules.append({"name": "restart_that_job", "action": "RestartJob"})
    return {"maxRestarts": config.restarts, "rules": rules}


def replicated_job(
    config: gke_config.GkeConfig,
    role: str,
    topology: tpu_topology.Topology,
    actor_id: str,
) -> Manifest:
    """Returns the Jobs of a role; `actor_id` is a number or a variable of the pod."""
    several = role == "actor" and not config.apart
    job: Manifest = {
        "metadata": {"labels": {"musicrl/role": role}},
        "spec": {
            "parallelism": topology.hosts,
            "completions": topology.hosts,
            "completionMode": "Indexed",
            # The hosts of a learner live and die together.
            "backoffLimit": 0 if role == "learner" else RETRIES,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": pod_failure_rules(role)},
            "template": {
                "metadata": {"labels": {"musicrl/role": role}},
                "spec": pod(config, role, topology, actor_id),
            },
        },
    }
    if topology.hosts > 1:
        job["metadata"]["annotations"] = {EXCLUSIVE_TOPOLOGY: NODE_POOL}
    return {"name": role, "replicas": config.actors if several else 1, "template": job}


def pod_failure_rules(role: str) -> list[Manifest]:
    """Returns which ends of a pod fail its Job at once, and which do not count."""

    def codes(action: str, values: list[int]) -> Manifest:
        return {
            "action": action,
            "onExitCodes": {"containerName": role, "operator": "In", "values": values},
        }

    hopeless = codes("FailJob", list(exit_codes.HOPELESS))
    if role == "learner":
        return [hopeless]
    disrupted = {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    return [hopeless, disrupted, codes("Ignore", [exit_codes.PREEMPTED])]


def pod(
    config: gke_config.GkeConfig,
    role: str,
    topology: tpu_topology.Topology,
    actor_id: str,
) -> Manifest:
    """Returns the pod of one host of a role."""
    spec: Manifest = {
        "restartPolicy": "Never",
        "serviceAccountName": config.service_account,
        "terminationGracePeriodSeconds": GRACE_SECONDS[role],
        "nodeSelector": {
            "cloud.google.com/gke-tpu-accelerator": topology.gke_accelerator,
            "cloud.google.com/gke-tpu-topology": topology.shape,
        },
        "containers": [container(config, role, topology, actor_id)],
    }
    if config.spot and role != "learner":
        spec["nodeSelector"][SPOT] = "true"
        spec["tolerations"] = [
            {"key": SPOT, "operator": "Equal", "value": "true", "effect": "NoSchedule"}
        ]
    return spec


def container(
    config: gke_config.GkeConfig,
    role: str,
    topology: tpu_topology.Topology,
    actor_id: str,
) -> Manifest:
    """Returns the container; `musicrl` is process 1, so that it gets SIGTERM."""
    chips = {"google.com/tpu": str(topology.chips_per_host)}
    command = ["musicrl", role, "--run_dir", config.run_dir]
    for name in config.gin_files:
        command += ["--gin_file", name]
    for binding in config.gin_params:
        command += ["--gin_param", binding.replace("$(", "$$(")]
    environment: list[Manifest] = [{"name": "JAX_PLATFORMS", "value": "tpu,cpu"}]
    if topology.hosts > 1:
        # GKE's own variables say the rest.
        count = str(topology.hosts)
        environment.append({"name": hosts.NUM_PROCESSES, "value": count})
    if role == "actor":
        command += ["--actor_id", actor_id]
        if actor_id.startswith("$"):
            path = f"metadata.labels['{JOB_INDEX_LABEL}']"
            source = {"fieldRef": {"fieldPath": path}}
            environment.append({"name": "ACTOR_ID", "valueFrom": source})
    return {
        "name": role,
        "image": config.image,
        "command": command,
        "env": environment,
        "resources": {"requests": chips, "limits": dict(chips)},
    }
