"""The folder of a starter: networks, captions, held-out prompts, model card."""

import dataclasses
import pathlib
import shutil

import numpy as np

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors
from musicrl_jax.data import captions, manifest
from musicrl_jax.evaluation import prompts
from musicrl_jax.runs import model_card, reconstruction, references, system
from musicrl_jax.synthesis import captions as composer_captions

NETWORKS = (
    "codec",
    "soundstream",
    "soundstorm",
    "semantic",
    "mulan",
    "musiclm",
    "attributes",
    "quality",
)
HELD_OUT_PROMPTS = 256
ROUNDED = ("codec", "semantic", "soundstream")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the parts of a starter lie.

    Attributes:
      manifest: of the corpus that the networks were trained on.
      networks: folder of `<network>.safetensors`.
      runs: folder of `<network>/metrics.jsonl`, and of `stages/` where there is one.
    """

    manifest: pathlib.Path
    networks: pathlib.Path
    runs: pathlib.Path


def write(sources: Sources, assets: pathlib.Path, *, seed: int) -> pathlib.Path:
    """Copies the networks and writes what belongs beside them; returns `assets`.

    Raises:
      InputError: where a network is missing, or the corpus holds out too few captions.
    """
    missing = [x for x in NETWORKS if not _weights(sources.networks, x).is_file()]
    if missing:
        raise errors.InputError(
            f"A starter needs {', '.join(NETWORKS)} in {sources.networks}; missing: "
            f"{', '.join(missing)}. Train them first."
        )
    rows = manifest.read_manifest(sources.manifest).rows
    assets.mkdir(parents=True, exist_ok=True)
    for name in NETWORKS:
        ship(_weights(sources.networks, name), _weights(assets, name))
    training = [text for row in rows if row.split == "train" for text in row.captions]
    captions.build_caption_file(dict.fromkeys(training), assets / system.TRAIN_CAPTIONS)
    prompts.write_prompts(
        assets / system.HELD_OUT_PROMPTS,
        prompts.held_out_prompts(
            rows, _prompt_count(rows), seed=seed, synonyms=composer_synonyms()
        ),
    )
    codec = reconstruction.load(_weights(assets, "codec"))
    references.write(assets, rows, codec, seed=seed)
    card = model_card.compose(rows, assets, sources.networks, sources.runs)
    (assets / model_card.NAME).write_text(card, encoding="utf-8")
    return assets


def ship(trained: pathlib.Path, shipped: pathlib.Path) -> None:
    """Copies a network; those whose rounding cannot be heard are stored as int8."""
    name, config = weights.read_config(trained)
    if name not in ROUNDED:
        shutil.copyfile(trained, shipped)
        return
    params = weights.read_leaves(trained)
    weights.save_weights(shipped, params, name, config, np.int8)


def composer_synonyms() -> dict[str, tuple[str, ...]]:
    """Returns the words that the composer's captions use for genres and instruments."""
    genres = composer_captions.lexicon("genres")
    instruments = composer_captions.lexicon("words")["instruments"]
    return {name: tuple(entry["names"]) for name, entry in genres.items()} | {
        name: tuple(words) for name, words in instruments.items()
    }


def _weights(folder: pathlib.Path, network: str) -> pathlib.Path:
    return folder / f"{network}.safetensors"


def _prompt_count(rows: tuple[manifest.ClipRow, ...]) -> int:
    """Returns how many distinct captions are held out, at most `HELD_OUT_PROMPTS`."""
    return min(HELD_OUT_PROMPTS, len(prompts.held_out_texts(rows)))
