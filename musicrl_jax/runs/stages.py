"""A chain of stages that goes on where it was stopped.

Beside each finished stage's output lies a record of the settings it was made with: a
chain that is started again with others is refused instead of mixing the two.
"""

import dataclasses
import hashlib
import json
import logging
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from musicrl_jax.core import errors

_LOG = logging.getLogger(__name__)

Settings = Any
"""Any dataclass, or what `dataclasses.asdict` makes of it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One link of a chain.

    Attributes:
      name: of the stage.
      output: the file that its run leaves.
      settings: what the output depends on, besides the stages before; fit for JSON.
      run: makes the output.
    """

    name: str
    output: pathlib.Path
    settings: Settings
    run: Callable[[], object]


def run_chain(
    chain: Sequence[Stage],
    records: pathlib.Path,
    clock: Callable[[], float] = time.monotonic,
    begin: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Runs the stages whose output is missing; returns their names.

    `begin`, where it is given, is called with (number, stages) before each, 1 first.

    A stage's record says the seconds that the run took which finished it, the figures
    that it returned (if it did), and a digest of its settings and of those of all
    stages before it.

    Raises:
      InputError: where a finished stage was made with other settings, or a stage left
        no output.
    """
    digest, done = "", []
    for number, stage in enumerate(chain, start=1):
        digest = _digest(digest, stage)
        record = records / f"{stage.name}.json"
        if record.is_file() and stage.output.exists():
            _check(record, digest)
            continue
        _LOG.info("stage %s", stage.name)
        if begin is not None:
            begin(number, len(chain))
        started = clock()
        result = stage.run()
        if not stage.output.exists():
            raise errors.InputError(
                f"Stage {stage.name!r} must leave {stage.output}; it did not. Look at "
                "what it printed."
            )
        records.mkdir(parents=True, exist_ok=True)
        about = {"digest": digest, "seconds": round(clock() - started, 1)}
        about |= {"figures": dict(result)} if isinstance(result, Mapping) else {}
        record.write_text(json.dumps(about), encoding="utf-8")
        done.append(stage.name)
    return done


def read_records(records: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Returns the record of each finished stage by its name."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(records.glob("*.json"))
    }


def _digest(before: str, stage: Stage) -> str:
    text = json.dumps([before, stage.name, stage.settings], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check(record: pathlib.Path, digest: str) -> None:
    found = json.loads(record.read_text(encoding="utf-8"))["digest"]
    if found != digest:
        raise errors.InputError(
            f"Stage {record.stem!r} in {record.parent.parent} was made with other "
            "settings than those asked for now. Set another run_dir, or remove it."
        )
