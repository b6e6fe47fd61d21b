"""A chain of stages that goes on where it was stopped.

Beside each finished stage's output lies a record of the settings it was made with, and
of the contents of files that it read: a chain that is started again with others is
refused instead of mixing the two. A stage that was stopped after its output and before
its record left a mark with the same contents when it began.
"""

import dataclasses
import functools
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
      settings: what the output depends on, besides other stages; fit for JSON.
      run: makes the output.
      after: names of the stages before that the output depends on, and through them
        on what they depend on; None for the one before it.
      inputs: files from outside the chain that the output depends on, by names that
        stay the same where the files are moved.
      whole: whether the output appears whole or not at all, so that one which is there
        after the stage began is finished.
    """

    name: str
    output: pathlib.Path
    settings: Settings
    run: Callable[[], object]
    after: Sequence[str] | None = None
    inputs: Mapping[str, pathlib.Path] = dataclasses.field(default_factory=dict)
    whole: bool = False


def run_chain(
    chain: Sequence[Stage],
    records: pathlib.Path,
    clock: Callable[[], float] = time.monotonic,
    begin: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Runs the stages whose output is missing; returns their names.

    `begin`, where it is given, is called with (number, stages) before each, 1 first.

    A stage's record says the seconds that the run took which finished it, the figures
    that it returned (if it did), a digest of its settings and of those of all stages
    that it depends on, and one of each of its inputs. Chains that share stages may
    share the records.

    Raises:
      InputError: where a finished stage was made with other settings or inputs, a
        stage left no output, or a whole one lies there that no stage made.
    """
    digests, done = _digests(chain), []
    contents = functools.cache(_contents)
    for number, stage in enumerate(chain, start=1):
        digest = digests[stage.name]
        record = records / f"{stage.name}.json"
        if _is_finished(stage, record):
            _check(record, digest)
            _check_inputs(record, stage.inputs, contents)
            continue
        _LOG.info("stage %s", stage.name)
        if begin is not None:
            begin(number, len(chain))
        inputs = {name: contents(path) for name, path in stage.inputs.items()}
        about = {"digest": digest} | ({"inputs": inputs} if inputs else {})
        _make(stage, record, about, clock)
        done.append(stage.name)
    return done


def _is_finished(stage: Stage, record: pathlib.Path) -> bool:
    """Returns whether a stage has its record; one that only lacks it gets it."""
    if not stage.output.exists():
        return False
    if record.is_file() or not stage.whole:
        return record.is_file()
    mark = _mark(record)
    if not mark.is_file():
        raise errors.InputError(
            f"Stage {stage.name!r} makes {stage.output}, and did not make the one that "
            "is there. Move its folder away, or set another run_dir."
        )
    _write(record, json.loads(mark.read_text(encoding="utf-8")))
    return True


def _make(
    stage: Stage,
    record: pathlib.Path,
    about: Mapping[str, Any],
    clock: Callable[[], float],
) -> None:
    """Runs a stage and writes its record."""
    record.unlink(missing_ok=True)  # it was of an output that is gone
    if stage.whole:
        _write(_mark(record), about)
    started = clock()
    result = stage.run()
    if not stage.output.exists():
        raise errors.InputError(
            f"Stage {stage.name!r} must leave {stage.output}; it did not. Look at "
            "what it printed."
        )
    figures = {"figures": dict(result)} if isinstance(result, Mapping) else {}
    seconds = round(clock() - started, 1)
    _write(record, {**about, "seconds": seconds, **figures})


def _mark(record: pathlib.Path) -> pathlib.Path:
    """Returns what a whole stage leaves when it begins: its record without results."""
    return record.with_suffix(".begun")


def _write(path: pathlib.Path, about: Mapping[str, Any]) -> None:
    """Writes a file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(about), encoding="utf-8")
    partial.replace(path)


def read_records(records: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Returns the record of each finished stage by its name."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(records.glob("*.json"))
    }


def _digests(chain: Sequence[Stage]) -> dict[str, str]:
    """Returns what tells the settings of each stage and of all that it depends on."""
    found: dict[str, str] = {}
    last = ""
    for stage in chain:
        after = stage.after
        before = last if after is None else " ".join(found[name] for name in after)
        about = [before, stage.name, stage.settings]
        text = json.dumps(about, sort_keys=True, default=str)
        found[stage.name] = last = hashlib.sha256(text.encode()).hexdigest()[:16]
    return found


def _contents(path: pathlib.Path) -> str:
    """Returns the digest of a file; empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _check_inputs(
    record: pathlib.Path,
    inputs: Mapping[str, pathlib.Path],
    contents: Callable[[pathlib.Path], str],
) -> None:
    """Compares inputs with those that the record knows; others are new and pass."""
    known = json.loads(record.read_text(encoding="utf-8")).get("inputs", {})
    changed = [
        name
        for name, digest in known.items()
        if name not in inputs or contents(inputs[name]) != digest
    ]
    if changed:
        raise errors.InputError(
            f"Stage {record.stem!r} in {record.parent.parent} was made with other "
            f"contents of {', '.join(changed)} than those there now. Put them back, or "
            "set another run_dir."
        )


def _check(record: pathlib.Path, digest: str) -> None:
    found = json.loads(record.read_text(encoding="utf-8"))["digest"]
    if found != digest:
        raise errors.InputError(
            f"Stage {record.stem!r} in {record.parent.parent} was made with other "
            "settings than those asked for now. Set another run_dir, or remove it."
        )
