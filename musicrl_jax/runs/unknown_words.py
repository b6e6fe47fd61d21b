"""Words of prompts that the text tower never learned, told once and in one line."""

import collections
import logging
from collections.abc import Iterable

from musicrl_jax.checkpoints import weights
from musicrl_jax.data import captions, text
from musicrl_jax.evaluation import prompts
from musicrl_jax.runs import pretrain_mulan, run_config, system

SHOWN = 8

_LOG = logging.getLogger(__name__)


def warn(tokenizer: text.TextTokenizer, texts: Iterable[str], source: str) -> None:
    """Warns of words that are hashed; says nothing where all are known.

    Args:
      tokenizer: of the text tower.
      texts: prompts.
      source: what they are, such as "the prompts".
    """
    counts = collections.Counter(
        word for each in texts for word in tokenizer.unknown_words(each)
    )
    if not counts:
        return
    shown = ", ".join(word for word, _ in counts.most_common(SHOWN))
    more = f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
    _LOG.warning(
        "The text tower does not know these words of %s, so that the music will not "
        "follow them: %s%s. Use other words, or train MuLan on such captions.",
        source,
        shown,
        more,
    )


def warn_of_run(config: run_config.RunConfig) -> None:
    """Warns of unknown words in a run's captions and its held-out prompts.

    Raises:
      InputError: where MuLan or one of the files cannot be read.
    """
    directory = system.networks_directory(config.networks)
    _, tokenizer = pretrain_mulan.make(
        weights.read_config(directory / "mulan.safetensors")[1]
    )
    path = system.captions_file(config)
    file = captions.CaptionFile(path)
    warn(tokenizer, (file[number] for number in range(len(file))), str(path))
    path = directory / system.HELD_OUT_PROMPTS
    held_out = prompts.read_prompts(path)[: config.evaluator.prompts]
    warn(tokenizer, (prompt.text for prompt in held_out), str(path))
