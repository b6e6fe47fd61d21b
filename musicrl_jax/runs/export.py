"""`musicrl export`: a policy with all that it needs to be served, as one folder."""

import dataclasses
import math
import pathlib
import shutil
import tempfile
from typing import Any

from musicrl_jax.core import errors
from musicrl_jax.export import card, manifest, programs, serve, shards
from musicrl_jax.export import verification as verifications
from musicrl_jax.runs import (
    export_source,
    generate,
    model_card,
    revision,
    serving_networks,
    system,
)

NETWORKS_CARD = "NETWORKS_CARD.md"
_GIGABYTE = 10**9
_LICENCE = "## Licence\n"
_UNKNOWN = (
    "Unknown: no card came with the networks. Ask who trained them before you pass "
    "this model on."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What to export, and how.

    Attributes:
      source: directory of a run, or a weights file of a policy.
      out: folder to write; must not exist, or be empty.
      step: of a run: "best", "last" or a number; empty means "best".
      networks: directory of the other networks; empty means those of the package.
      seconds: length of the clips, which the programs are compiled for.
      shard_gb: most gigabytes (10^9 bytes) of weights in one file.
    """

    source: str
    out: pathlib.Path
    step: str = ""
    networks: str = ""
    seconds: float = 30.0
    shard_gb: float = 4.0

    def __post_init__(self) -> None:
        shortest, longest = generate.SHORTEST_SECONDS, generate.LONGEST_SECONDS
        if not shortest <= self.seconds <= longest:
            raise errors.InputError(
                f"seconds must lie in [{shortest:g}, {longest:g}]; got "
                f"{self.seconds:g}. Pass --seconds within that range."
            )
        if not 0 < self.shard_gb < math.inf:
            raise errors.InputError(
                f"shard_gb must be positive and finite; got {self.shard_gb:g}. Use 4."
            )
        if self.out.exists() and not (
            self.out.is_dir() and not any(self.out.iterdir())
        ):
            raise errors.InputError(
                f"An export needs a folder of its own; {self.out} holds something. "
                "Choose another --out."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
      out: the folder.
      policy: name of the run or weights file.
      step: of the learner; None for a weights file.
      programs: bytes of the serialised programs, by name.
      weights: bytes of each network's weights.
      fine_levels: whether a fine stage is in the chain.
    """

    out: str
    policy: str
    step: int | None
    programs: dict[str, int]
    weights: dict[str, int]
    fine_levels: bool


def run(options: ExportOptions) -> Exported:
    """Writes the artefact, whole or not at all.

    Raises:
      InputError: there is no such policy, networks are missing, damaged or do not fit
        it, or nothing can be written.
    """
    parent = options.out.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=parent) as place:
        source = export_source.fetch(options.source, options.step, pathlib.Path(place))
        folder = pathlib.Path(place) / "artefact"
        folder.mkdir()
        done = _write(options, source, folder)
        if options.out.exists():
            options.out.rmdir()
        folder.rename(options.out)
    return done


def verify(folder: pathlib.Path) -> verifications.Verified:
    """Checks an artefact's files, and what it draws where the package is missing.

    Raises:
      InputError: a file is missing or damaged, or its `serve.py` fails.
      InvariantError: it draws other tokens than the package.
    """
    found = manifest.check(folder)
    networks, params, config = serving_networks.read(folder)
    reference = verifications.Reference(
        make=networks.generator(config["temperature"]),
        networks=params,
        seconds=config["seconds"],
    )
    return verifications.compare(folder, reference, len(found["files"]))


def _write(
    options: ExportOptions, source: export_source.Source, folder: pathlib.Path
) -> Exported:
    directory = system.networks_directory(options.networks)
    source.check_networks(directory)
    networks, params = serving_networks.load(
        serving_networks.files(directory, source.policy)
    )
    sizes = _write_programs(folder, networks.programs(options.seconds))
    most = int(options.shard_gb * _GIGABYTE)
    weights = {
        name: shards.write(folder / name, tree, most) for name, tree in params.items()
    }
    facts = _facts(options, source, networks)
    serving_networks.write_config(folder, networks, facts)
    more = {"buckets": networks.tokenizer.buckets, "folders": "`, `".join(params)}
    _write_texts(folder, source, directory, facts | more)
    made = {"versions": revision.versions(), "git_revision": revision.git()}
    origin = {"name": source.name, "step": source.step}
    manifest.write(folder, made | {"source": origin})
    return Exported(
        out=str(options.out),
        policy=source.name,
        step=source.step,
        programs=sizes,
        weights=weights,
        fine_levels=networks.fine is not None,
    )


def _write_programs(folder: pathlib.Path, made: programs.Programs) -> dict[str, int]:
    (folder / "programs").mkdir()
    sizes = {}
    for name, exported in (("sampler", made.sampler()), ("music", made.music())):
        data = exported.serialize(vjp_order=0)
        (folder / "programs" / f"{name}.bin").write_bytes(data)
        sizes[name] = len(data)
    return sizes


def _facts(
    options: ExportOptions,
    source: export_source.Source,
    networks: serving_networks.ServingNetworks,
) -> dict[str, Any]:
    """Returns what a server must know besides the networks' own sizes."""
    layout = networks.policy.layout
    return {
        "seconds": options.seconds,
        "num_frames": layout.num_frames(options.seconds),
        "tokens_per_frame": layout.tokens_per_frame,
        "conditioning_tokens": networks.policy.config.conditioning_tokens,
        "text_width": networks.tokenizer.width,
        "sample_rate_hz": networks.codec.sample_rate_hz,
        "temperature": source.temperature,
        "platforms": list(programs.PLATFORMS),
    }


def _write_texts(
    folder: pathlib.Path,
    source: export_source.Source,
    directory: pathlib.Path,
    sizes: dict[str, Any],
) -> None:
    """Writes card, README, `serve.py`, the run's gin and the networks' own card."""
    networks_card, terms = directory / model_card.NAME, ""
    if networks_card.is_file():
        text = networks_card.read_text(encoding="utf-8")
        (folder / NETWORKS_CARD).write_text(text, encoding="utf-8")
        terms = text.partition(_LICENCE)[2].partition("\n## ")[0].strip()
    origin = card.Origin(
        name=source.name,
        step=source.step,
        kl=source.kl,
        kl_ref=source.kl_ref,
        rewards=source.rewards,
        first=source.first,
        licence=terms or _UNKNOWN,
        networks_card=NETWORKS_CARD if networks_card.is_file() else "",
        git=revision.git(),
    )
    texts = {card.CARD: card.model_card(origin, sizes), card.README: card.readme(sizes)}
    if source.operative:
        texts["operative.gin"] = source.operative
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    shutil.copyfile(serve.__file__, folder / "serve.py")
