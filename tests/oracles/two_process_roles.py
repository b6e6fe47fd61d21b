"""The roles of a run whose policy is a table, as processes of their own.

    python -m tests.oracles.two_process_roles actor RUN 0
    python -m tests.oracles.two_process_roles learner RUN HOST:PORT PROCESSES ID

All but the tables is what `musicrl learner` and `musicrl actor` run: the store, the
loops, the checkpoints, the joining of hosts and the exit codes.
"""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np

from musicrl_jax.acting import actor as actors
from musicrl_jax.acting import config as acting_config
from musicrl_jax.acting import loop
from musicrl_jax.cli import output
from musicrl_jax.core import errors, writers
from musicrl_jax.learning import config as configs
from musicrl_jax.learning import learner as loops
from musicrl_jax.runs import hosts, learner, policy_source, run_config, stopping, system
from musicrl_jax.transport import manifests, waits, writer
from musicrl_jax.transport import store as stores
from tests.oracles import exact, tabular

SIZES = (3, 2)
HASH = "tables"
PUBLISH_EVERY = 10

PROBLEM = exact.Problem(
    tree=tabular.make_tree(SIZES, 1),
    seed=3,
    config=configs.LearnerConfig(
        kl_weight=0.4,
        steps=200,
        batch_clips=256,
        value_warmup_steps=0,
        chunk_frames=2,
        policy_learning_rate=0.06,
        value_learning_rate=0.06,
        learning_rate_end_share=0.0,
        max_grad_norm=10.0,
        max_staleness=4 * PUBLISH_EVERY,
    ),
)


def make_config(run_dir):
    return run_config.RunConfig(
        run_dir=run_dir,
        publish_every=PUBLISH_EVERY,
        keep_checkpoints=1000,  # and with them every trajectory
        batch_timeout_seconds=60.0,
        learner=PROBLEM.config,
        actor=acting_config.ActorConfig(
            clips=128, max_pending_clips=512, poll_seconds=0.02
        ),
    )


def make_networks():
    value = tabular.TabularValue(tree=PROBLEM.tree)
    return learner.Networks(
        policy=PROBLEM.policy,
        value=value,
        policy_params=PROBLEM.reference(),
        value_params=value.init(),
        centre_value=lambda tree, mean: jax.tree.map(
            lambda leaf: jnp.full_like(leaf, mean), tree
        ),
    )


def learn(run_dir, coordinator, num_processes, process_id):
    place = hosts.Hosts(
        coordinator=coordinator,
        num_processes=int(num_processes),
        process_id=int(process_id),
    )
    with hosts.joined(place, output.end_at_once):
        stop = stopping.learner_stop_request()
        run = learner.Run(store=stores.open_store(run_dir), config_hash=HASH)
        learner.learn(make_config(run_dir), run, make_networks(), stop)


def score(captions, waveform, tokens):
    del captions, waveform
    sizes = PROBLEM.tree.layout.codebook_sizes * PROBLEM.tree.frames
    index = np.ravel_multi_index(tokens.reshape(len(tokens), -1).T, sizes)
    return {"total": PROBLEM.rewards()[index].astype(np.float32)}


def act(run_dir, number):
    config = make_config(run_dir)
    store = stores.open_store(run_dir)
    name = f"a{number}"
    log = manifests.ManifestLog(store)
    clips = config.actor.clips
    loop.ActingLoop(
        name=name,
        actor=actors.Actor(
            condition=lambda captions: np.zeros((len(captions), 1), np.int32),
            sample=system.Sampler(
                policy=PROBLEM.policy,
                num_frames=PROBLEM.tree.frames,
                temperature=PROBLEM.config.temperature,
            ),
            render=lambda tokens: jnp.zeros((len(tokens), 1)),
            reward=score,
        ),
        config=config.actor,
        temperature=PROBLEM.config.temperature,
        config_hash=HASH,
        weights=policy_source.PublishedPolicies(store, run_dir, PROBLEM.reference()),
        writer=writer.TrajectoryWriter(store, log, name, PROBLEM.tree.layout),
        prompts=lambda seq: loop.Prompts(
            captions=("",) * clips, numbers=tuple(range(clips))
        ),
        key=loop.actor_key(config.seed),
        metrics=writers.MemoryWriter(),
        finished=lambda: store.get(loops.DONE_KEY) is not None,
        heartbeat=lambda row: None,
        patience=dataclasses.replace(
            waits.Patience(timeout_seconds=60.0), interval_seconds=0.02
        ),
    ).run()


def main(role, *arguments):
    """Ends as `musicrl` does."""
    try:
        {"learner": learn, "actor": act}[role](*arguments)
    except errors.MusicRLError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        if isinstance(error, errors.LostHostError):
            output.end_at_once(error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
