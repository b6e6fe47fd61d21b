"""A run of bare protocol under SIGKILL: real actors and learners, no networks.

    python protocol_driver.py RUN_DIR KILLS STEPS SECONDS SEED

The learner's "weights" are a hash chain over the clips it consumed, so that any clip
consumed twice, left out or reordered in a replay changes every later state. Processes
are forked from this one, which has the imports behind it. Prints one JSON object.
"""

import collections
import hashlib
import itertools
import json
import os
import pathlib
import random
import signal
import sys
import time
import warnings

import numpy as np

from musicrl_jax.checkpoints import digests
from musicrl_jax.core import errors, layout
from musicrl_jax.transport import (
    epochs,
    gc,
    keys,
    leader,
    manifests,
    publications,
    reader,
    selection,
    store,
    trajectories,
    waits,
    writer,
)

LAYOUT = layout.TokenLayout(streams=(layout.Stream(name="s", codebook_size=1000),))
BATCH_CLIPS, CLIPS, MAX_STALENESS, MOST_PENDING, KEEP = 4, 3, 4, 6, 3
PATIENCE = waits.Patience(timeout_seconds=300.0, interval_seconds=0.01)
START = "0" * 16


def clips_of(actor, seq):
    """Returns tokens that only this trajectory has."""
    digest = hashlib.sha256(f"{actor}/{seq}".encode()).digest()
    rng = np.random.default_rng(list(digest))
    return rng.integers(0, 1000, (CLIPS, 50, 1), dtype=np.int16)


def act(run_dir, name):
    """Writes trajectories for ever."""
    opened = store.open_store(run_dir)
    log = manifests.ManifestLog(opened)
    sender = writer.TrajectoryWriter(opened, log, name, LAYOUT)
    while True:
        newest = next(publications.newest_first(opened), None)
        if newest is None or sender.backlog() >= MOST_PENDING:
            time.sleep(0.01)
            continue
        tokens = clips_of(name, sender.next_seq)
        made = trajectories.Trajectory(
            policy_step=newest.step,
            epoch=newest.epoch,
            digest=newest.digest,
            actor=name,
            seq=sender.next_seq,
            nonce=sender.nonce,
            temperature=1.0,
            config_hash="c",
            tokens=tokens,
            log_probs=np.zeros(tokens.shape, np.float32),
            conditioning=np.zeros((CLIPS, 1), np.int32),
            rewards=np.ones(CLIPS, np.float32),
            reward_parts={},
            captions=("x",) * CLIPS,
            prompts=np.arange(CLIPS, dtype=np.int64),
        )
        sender.write(made, PATIENCE)


class Learner:
    """Consumes batches; its whole state is (step, hash)."""

    def __init__(self, run_dir):
        self.opened = store.open_store(run_dir)
        self.epoch = epochs.claim(self.opened)
        saved = self.opened.list("checkpoints/")
        self.step, self.state, origin = 0, START, None
        if saved:
            found = json.loads(self.opened.get(saved[-1]))
            self.step, self.state = found["step"], found["state"]
            origin = (found["epoch"], self.step)
        epochs.record_parent(self.opened, self.epoch, origin)
        self.log = manifests.ManifestLog(self.opened)
        self.log.refresh()
        self.source = reader.TrajectoryReader(self.opened, self.log, LAYOUT)
        self.lineage = publications.lineage(self.opened, self.epoch)
        self.leader = leader.BatchLeader(
            log=self.log,
            trajectories=self.source,
            config=selection.SelectionConfig(
                batch_clips=BATCH_CLIPS, max_staleness=MAX_STALENESS
            ),
            epoch=self.epoch,
            lineage=self.lineage,
        )
        history = pathlib.Path(run_dir).with_suffix(".history")
        self.peace = history.with_suffix(".peace")
        self.history = history.open("a", buffering=1, encoding="utf-8")

    def run(self, last_step):
        """Learns at least up to `last_step`, and until the killing has ended."""
        self.publish()
        while self.step < last_step or not self.peace.exists():
            manifest = self.leader.manifest(self.step, PATIENCE)
            digest = hashlib.sha256(self.state.encode())
            for key, row in manifest.items:
                found = self.source.load(key, manifest.objects[key].sha256)
                digest.update(found.tokens[row].tobytes())
            self.step, self.state = self.step + 1, digest.hexdigest()[:16]
            self.history.write(f"{self.step} {self.state} {self.epoch}\n")
            if self.step % 2 == 0:
                self.publish()

    def publish(self):
        """Saves and publishes, then collects."""
        body = {"step": self.step, "state": self.state, "epoch": self.epoch}
        name = f"checkpoints/{self.epoch:06d}-{self.step:08d}"
        self.opened.put_if_absent(name, json.dumps(body).encode())
        leaf = digests.LeafDigest(value=self.state, dtype="hash", shape=())
        publication = publications.Publication(
            epoch=self.epoch,
            step=self.step,
            checkpoint_epoch=self.epoch,
            policy=digests.TreeDigest(leaves={"w": leaf}),
            config_hash="c",
        )
        publications.publish(self.opened, publication)
        self.lineage[self.step] = publication.digest
        for old in self.opened.list("checkpoints/")[:-KEEP]:
            self.opened.delete(old)
        kept = [int(key[-8:]) for key in self.opened.list("checkpoints/")]
        gc.collect(self.opened, self.log, min(kept))


def spawn(role, *arguments):
    """Forks a process that ends with the exit code of its error."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        role(*arguments)
        code = 0
    except errors.MusicRLError as error:
        code = error.exit_code
    finally:
        os._exit(code)


def vandalise(opened, rng, number):
    """Puts a trajectory with one flipped bit under a name of its own."""
    newest = next(publications.newest_first(opened), None)
    if newest is None:
        return
    data = bytearray(b"MRLT" + rng.randbytes(200))
    key = keys.TrajectoryId(newest.step, "vandal", number).key
    opened.put_if_absent(key, bytes(data))


def cause_chaos(run_dir, kills, steps, seconds, seed):
    """Kills processes at random while they work; returns exit codes by role."""
    rng = random.Random(seed)
    opened = store.open_store(run_dir)
    roles = {
        "learner": lambda: Learner(run_dir).run(steps),
        "a1": lambda: act(run_dir, "a1"),
        "a2": lambda: act(run_dir, "a2"),
        "a2-again": lambda: act(run_dir, "a2"),
    }
    alive = {name: spawn(role) for name, role in roles.items()}
    codes = collections.Counter()
    killed = 0
    peace = pathlib.Path(run_dir).with_suffix(".peace")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not codes["learner 0"]:
        time.sleep(rng.uniform(0.02, 0.2))
        if killed < kills:
            # Every second shot is at a learner.
            victim = rng.choice([*alive, *["learner"] * 3])
            os.kill(alive[victim], signal.SIGKILL)
            vandalise(opened, rng, killed)
            killed += 1
        if killed == kills // 2 and "rival" not in alive:
            alive["rival"] = spawn(roles["learner"])
        if killed == kills:
            peace.touch()
        codes.update(bury(alive))
        missing = [] if codes["learner 0"] else roles.keys() - alive.keys()
        alive |= {name: spawn(roles[name]) for name in missing}
    for child in alive.values():
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return {"killed": killed, "codes": dict(codes)}


def bury(alive):
    """Takes the processes that have ended out of `alive`; returns how they ended."""
    ends = []
    for name, child in list(alive.items()):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            role = "learner" if name == "rival" else name
            ends.append(f"{role} {os.waitstatus_to_exitcode(status)}")
            del alive[name]
    return ends


def judge(run_dir):
    """Returns what the run's objects say of the protocol's promises."""
    opened = store.open_store(run_dir)
    log = manifests.ManifestLog(opened)
    count = log.refresh()
    written = [log.get(step) for step in range(count)]
    items = [item for manifest in written for item in manifest.items]
    owners = collections.defaultdict(set)
    for key, _ in items:
        identity = keys.TrajectoryId.parse(key)
        owners[identity.actor, identity.seq].add(key)
    states = collections.defaultdict(list)
    for line in pathlib.Path(run_dir).with_suffix(".history").read_text().splitlines():
        step, state, _ = line.split()
        states[int(step)].append(state)
    chain = START
    exact = True
    for step, manifest in enumerate(written[: max(states)]):
        digest = hashlib.sha256(chain.encode())
        for key, row in manifest.items:
            identity = keys.TrajectoryId.parse(key)
            digest.update(clips_of(identity.actor, identity.seq)[row].tobytes())
        chain = digest.hexdigest()[:16]
        exact = exact and set(states[step + 1]) == {chain}
    drops = sum(
        (collections.Counter(m.drop_counts) for m in written), collections.Counter()
    )
    return {
        "steps": count,
        "gapless": len(opened.list(keys.BATCHES)) == count,
        "items": len(items),
        "twice": len(items) - len(set(items)),
        "shared_numbers": sum(len(found) > 1 for found in owners.values()),
        "full": all(len(m.items) == BATCH_CLIPS for m in written),
        "staleness": max(itertools.chain([0], *(m.staleness for m in written))),
        "replayed": sum(len(found) - 1 for found in states.values()),
        "exact": exact,
        "dropped": dict(drops),
        "vandal_used": sum("vandal" in key for key, _ in items),
        "quarantined": len(opened.list(keys.QUARANTINE)),
        "left": len(opened.list(keys.TRAJECTORIES)),
    }


def main():
    """Runs and prints."""
    warnings.simplefilter("ignore", RuntimeWarning)
    run_dir, kills, steps, seconds, seed = sys.argv[1:]
    outcome = cause_chaos(run_dir, int(kills), int(steps), float(seconds), int(seed))
    sys.stdout.write(json.dumps(outcome | judge(run_dir)))


if __name__ == "__main__":
    main()
