"""The networks of an exported model: from their own files, or from an artefact."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import arrays, errors
from musicrl_jax.data import text
from musicrl_jax.export import programs, shards
from musicrl_jax.models.mulan import adapter as mulan
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.models.soundstorm import adapter as soundstorm
from musicrl_jax.runs import (
    codecs,
    pretrain_mulan,
    pretrain_musiclm,
    pretrain_soundstorm,
    system,
)
from musicrl_jax.sampling import generator, renderer

CONFIG, VOCABULARY = "config.json", "vocabulary.txt"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingNetworks:
    """What turns captions into music.

    Attributes:
      policy: conditioning to clip tokens.
      embedder: MuLan, of which captions need the text tower alone.
      codec: clip tokens to waveform.
      fine: the codec's fine levels; None where the codec has no more.
      tokenizer: captions to ids.
      shapes: of each network's parameters, by the names of `export.programs`.
      described: kind and configuration of each, likewise.
    """

    policy: musiclm.MusicLMPolicy
    embedder: mulan.Mulan
    codec: codecs.AnyCodec
    fine: soundstorm.SoundStorm | None
    tokenizer: text.TextTokenizer
    shapes: Mapping[str, arrays.Params]
    described: Mapping[str, Mapping[str, Any]]

    def programs(self, seconds: float) -> programs.Programs:
        """Returns what is exported for clips of `seconds`."""
        layout = self.policy.layout
        return programs.Programs(
            policy=self.policy,
            embedder=self.embedder,
            renderer=renderer.Renderer(layout=layout, codec=self.codec, fine=self.fine),
            params=self.shapes,
            num_frames=layout.num_frames(seconds),
            text_width=self.tokenizer.width,
        )

    def generator(self, temperature: float) -> generator.Generator:
        """Returns the package's own chain."""
        return generator.Generator(
            policy=self.policy,
            embedder=self.embedder,
            codec=self.codec,
            encode=self.tokenizer.encode,
            temperature=temperature,
            fine=self.fine,
        )


def files(directory: pathlib.Path, policy: pathlib.Path) -> dict[str, pathlib.Path]:
    """Returns the weights file of each network; a fine stage where there is one."""
    found = {
        programs.POLICY: policy,
        programs.EMBEDDER: directory / system.network_files.MULAN,
        programs.CODEC: directory / "codec.safetensors",
    }
    if (directory / system.SOUNDSTORM).is_file():
        found[programs.FINE] = directory / system.SOUNDSTORM
    return found


def load(
    paths: Mapping[str, pathlib.Path],
) -> tuple[ServingNetworks, dict[str, arrays.Params]]:
    """Returns the networks of weights files and the parameters of each.

    Raises:
      InputError: a file is missing, damaged, of another network or does not fit.
    """
    policy, policy_params = pretrain_musiclm.load(paths[programs.POLICY])
    codec, codec_params = codecs.load(paths[programs.CODEC])
    embedder, embedder_params, _ = pretrain_mulan.load(paths[programs.EMBEDDER])
    _check_conditioning(policy, embedder)
    params = {
        programs.POLICY: policy_params,
        programs.EMBEDDER: embedder.text_params(embedder_params),
        programs.CODEC: codec_params,
    }
    if programs.FINE in paths:
        _, params[programs.FINE] = pretrain_soundstorm.load(
            paths[programs.FINE], codec.config
        )
    described = {}
    for name, path in paths.items():
        kind, fields = weights.read_config(path)
        described[name] = {"kind": kind, "config": fields}
    return _made(described), params


def write_config(
    folder: pathlib.Path, networks: ServingNetworks, facts: Mapping[str, Any]
) -> None:
    """Writes the configuration of all networks with `facts`, and the vocabulary."""
    tokenizer = networks.tokenizer
    described = {name: dict(row) for name, row in networks.described.items()}
    embedder = described[programs.EMBEDDER]
    embedder["config"] = {
        name: x for name, x in embedder["config"].items() if name != "tokenizer"
    }
    sizes = {"buckets": tokenizer.buckets, "width": tokenizer.width}
    config = {**facts, "tokenizer": sizes, "networks": described}
    config_text = json.dumps(config, indent=1, ensure_ascii=False)
    (folder / CONFIG).write_text(config_text + "\n", encoding="utf-8")
    words = "".join(f"{word}\n" for word in tokenizer.words)
    (folder / VOCABULARY).write_text(words, encoding="utf-8")


def read(
    folder: pathlib.Path,
) -> tuple[ServingNetworks, generator.Networks, dict[str, Any]]:
    """Returns networks, parameters and configuration of an artefact.

    Raises:
      InputError: where it is none of this version.
    """
    config_text = (folder / CONFIG).read_text(encoding="utf-8")
    config = json.loads(config_text, object_hook=weights.renamed)
    words = (folder / VOCABULARY).read_text(encoding="utf-8").split("\n")[:-1]
    described = {name: dict(row) for name, row in config["networks"].items()}
    embedder = described[programs.EMBEDDER]
    embedder["config"] |= {"tokenizer": config["tokenizer"] | {"words": words}}
    networks = _made(described)
    params = {
        name: shards.read(folder / name, shapes)
        for name, shapes in networks.shapes.items()
    }
    return networks, as_networks(params), config


def as_networks(params: Mapping[str, arrays.Params]) -> generator.Networks:
    """Returns parameters by name as the chain takes them."""
    return generator.Networks(
        policy=params[programs.POLICY],
        embedder=params[programs.EMBEDDER],
        codec=params[programs.CODEC],
        fine=params.get(programs.FINE),
    )


def _made(described: Mapping[str, Mapping[str, Any]]) -> ServingNetworks:
    """Returns the networks of stored configurations."""
    config = {name: row["config"] for name, row in described.items()}
    policy = pretrain_musiclm.make(config[programs.POLICY])
    embedder, tokenizer = pretrain_mulan.make(config[programs.EMBEDDER])
    codec, codec_shapes = codecs.from_config(
        described[programs.CODEC]["kind"], config[programs.CODEC]
    )
    shapes = {
        programs.POLICY: policy.abstract_params(),
        programs.EMBEDDER: embedder.text_params(embedder.abstract_params()),
        programs.CODEC: codec_shapes,
    }
    fine = None
    if programs.FINE in config:
        fine = pretrain_soundstorm.make(config[programs.FINE])
        shapes[programs.FINE] = fine.abstract_params()
    return ServingNetworks(
        policy=policy,
        embedder=embedder,
        codec=codec,
        fine=fine,
        tokenizer=tokenizer,
        shapes=shapes,
        described=described,
    )


def _check_conditioning(policy: musiclm.MusicLMPolicy, embedder: mulan.Mulan) -> None:
    """Refuses a policy that reads other conditioning than MuLan writes."""
    wanted = (policy.config.conditioning_tokens, policy.config.conditioning_size)
    given = (embedder.config.conditioning_tokens, embedder.config.codebook_size)
    if wanted != given:
        raise errors.InputError(
            f"The policy must read MuLan's {given[0]} tokens of {given[1]} entries; it "
            f"was trained for {wanted[0]} of {wanted[1]}. Pass its own --networks."
        )
