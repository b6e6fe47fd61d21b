"""A gcloud that plays a slice's life, and what asks it for one."""

import pathlib

from musicrl_jax.core import errors
from musicrl_jax.planning import tpu_topology
from musicrl_jax.runs import gcloud, tpu_vm

ARCHIVE = pathlib.Path("musicrl.tar.gz")
NAME = "run1"


def commands(topology="v5e:4x4", **fields):
    return gcloud.Commands(
        name=NAME,
        zone="zone-a",
        topology=tpu_topology.parse(topology),
        role="learner",
        arguments=("learner", "--run_dir", "gs://b/run1"),
        **fields,
    )


class Cloud:
    """Plays gcloud: queued resources that move on as looks go by.

    Attributes:
      plays: for each slice made, what the looks at it meet in turn: a state, or an
        answer of the workers while it is active; the last one stays.
      calls: the verb of each call.
      failures: by verb, whether each of the next calls fails.
    """

    def __init__(self, *plays):
        self.plays = [list(play) for play in plays]
        self.calls = []
        self.failures = {}
        self.exists = False
        self.seconds = 0.0

    def __call__(self, line):
        assert line[:3] == ["gcloud", "compute", "tpus"]
        verb = self.verb(line)
        self.calls.append(verb)
        if (failures := self.failures.get(verb)) and failures.pop(0):
            raise errors.TemporaryError("gcloud ended with code 1: 503.")
        if verb == "create":
            assert not self.exists
            self.exists = True
        if verb == "delete":
            self.exists = False
            del self.plays[0]
        answers = {"list": self.listed, "poll": self.answer, "log": self.log}
        return answers.get(verb, str)()

    def listed(self):
        if self.exists and self.plays[0][0] == "ABSENT":
            self.exists = False
            del self.plays[0]
        return f"another\tACTIVE\n{NAME}\t{self.state()}\n" if self.exists else ""

    @staticmethod
    def log():
        return "worker-0: what it said last\n"

    @staticmethod
    def verb(line):
        if line[3:5] == ["tpu-vm", "ssh"]:
            command = line[-3].removeprefix("--command=")
            kinds = {
                "set -e": "install",
                "cd ~": "start",
                "if flock": "poll",
                "tail": "log",
            }
            return next(x for begin, x in kinds.items() if command.startswith(begin))
        return line[4]

    def state(self):
        play = self.plays[0]
        if play[0].isupper():
            return play.pop(0) if len(play) > 1 else play[0]
        return "ACTIVE"

    def answer(self):
        play = self.plays[0]
        answer = play.pop(0) if len(play) > 1 else play[0]
        if answer == "deaf":
            raise errors.TemporaryError("no route")
        return answer.replace(" ", "\n")

    def sleep(self, seconds):
        self.seconds += seconds


def machine(cloud, said=None, log=None, **limits):
    limits = {"tries": 3, "wait_seconds": 100.0, "poll_seconds": 10.0} | limits
    return tpu_vm.TpuVm(
        commands=commands(),
        call=cloud,
        limits=tpu_vm.Limits(**limits),
        log=log,
        report=(said if said is not None else []).append,
        sleep=cloud.sleep,
        clock=lambda: cloud.seconds,
    )


NEW = "absent absent absent absent"
RUNS = "running running running running"
DONE = "0 0 0 0"
