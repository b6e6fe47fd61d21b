"""seqio tasks and mixtures of captions: the only place that loads TensorFlow.

Each source of section 4.1 of the paper is a task with the splits of `splits`, and a
mixture draws from the tasks at set rates. What comes out follows from captions, rates,
seed and shard alone, so a position is all that is needed to go on.

seqio and TensorFlow come with `pip install -r requirements-data.lock`; they are
imported when a mixture is made, and nothing else of the package needs them.
"""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from musicrl_jax.core import errors
from musicrl_jax.data import caption_pool, splits

_SHUFFLE_BUFFER = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionTask:
    """The captions of one source.

    Attributes:
      source: its name, such as `caption_pool.DESCRIPTIONS`.
      texts: its captions, of both splits.
      rate: how often the mixture draws from it, in relation to the other tasks; 0 for
        the number of its captions, so that all captions are equally likely.
      held_out_share: of the captions; see `splits.split_of`.
    """

    source: str
    texts: Sequence[str]
    rate: float = 0.0
    held_out_share: float = 0.1

    def of_split(self, split: str) -> list[str]:
        """Returns the captions of a split, in their order."""
        return [
            text
            for text in self.texts
            if splits.split_of(caption_pool.key(text), self.held_out_share) == split
        ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """Which examples of a mixture to read.

    Attributes:
      split: of the captions.
      seed: of their order.
      repeat: whether to go on for ever, at the rates; otherwise each caption comes
        once, and the rates decide on the order only.
      shard: number of this process among those that share the examples.
      shards: processes; together they read what one alone would.
      start: examples of this process to leave out, to go on where it was.
    """

    split: str = splits.TRAIN
    seed: int = 0
    repeat: bool = False
    shard: int = 0
    shards: int = 1
    start: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.shard < self.shards or self.start < 0:
            raise errors.InputError(
                "Reading needs a shard below the number of shards, and a start of 0 or "
                f"more; got {self.shard} of {self.shards}, and {self.start}."
            )


def captions(
    tasks: Sequence[CaptionTask], reading: Reading
) -> Iterator[tuple[str, str]]:
    """Returns source and text of the examples of a mixture, one after the other.

    Raises:
      InputError: where no task has captions of the split, or seqio is not there.
    """
    if not any(task.of_split(reading.split) for task in tasks):
        raise errors.InputError(
            f"A mixture needs captions of split {reading.split!r}; there are none. Add "
            "a source, or change the held-out share."
        )
    seqio, tf = _libraries()
    mixture = seqio.get_mixture_or_task(register(tasks, repeat=reading.repeat))
    dataset = mixture.get_dataset(
        sequence_length=None,
        split=reading.split,
        shuffle=True,
        seed=reading.seed,
        shard_info=seqio.ShardInfo(index=reading.shard, num_shards=reading.shards),
        num_epochs=None if reading.repeat else 1,
    )
    options = tf.data.Options()
    options.deterministic = True
    dataset = dataset.with_options(options).skip(reading.start)
    return (
        (example["source"].decode(), example["text"].decode())
        for example in dataset.as_numpy_iterator()
    )


def register(tasks: Sequence[CaptionTask], *, repeat: bool = False) -> str:
    """Adds tasks and their mixture to seqio; returns the name that seqio knows it by.

    Names follow from the content: what is there already is not added again.
    """
    seqio, tf = _libraries()
    names = [_register_task(task) for task in tasks]
    rates = [task.rate or len(task.texts) for task in tasks]
    name = f"captions_{_digest([names, rates, repeat])}"
    if name not in seqio.MixtureRegistry.names():
        sample = functools.partial(
            tf.data.Dataset.sample_from_datasets, stop_on_empty_dataset=repeat
        )
        pairs = list(zip(names, rates, strict=True))
        seqio.MixtureRegistry.add(name, pairs, sample_fn=sample)
    return name


def _register_task(task: CaptionTask) -> str:
    seqio, tf = _libraries()
    content = _digest([list(task.texts), task.held_out_share])
    name = f"captions_{task.source}_{content}"
    if name in seqio.TaskRegistry.names():
        return name
    texts = {split: task.of_split(split) for split in (splits.TRAIN, splits.HELD_OUT)}
    counts = {split: len(found) for split, found in texts.items() if found}

    def dataset_fn(split: str, shuffle_files: bool, seed: int | None = None) -> Any:  # noqa: ANN401 - seqio wants a tf.data.Dataset
        found = texts[split]
        if shuffle_files:
            order = np.random.default_rng(seed).permutation(len(found))
            found = [found[place] for place in order]
        dataset = tf.data.Dataset.from_tensor_slices(tf.constant(found))
        return dataset.map(lambda text: {"text": text, "source": task.source})

    feature = seqio.Feature(
        vocabulary=seqio.PassThroughVocabulary(size=0),
        add_eos=False,
        dtype=tf.string,
        rank=0,
    )
    seqio.TaskRegistry.add(
        name,
        source=seqio.FunctionDataSource(
            dataset_fn, splits=tuple(counts), num_input_examples=counts
        ),
        output_features={"text": feature, "source": feature},
        shuffle_buffer_size=_SHUFFLE_BUFFER,
    )
    return name


@functools.cache
def _libraries() -> tuple[Any, Any]:
    """Returns seqio and TensorFlow, which leaves accelerators to JAX."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import seqio
        import tensorflow as tf
    except ImportError as error:
        raise errors.InputError(
            f"Caption mixtures need seqio and TensorFlow; {error}. Install them with "
            "`pip install -r requirements-data.lock`, or use `musicrl pool`, which "
            "needs neither."
        ) from error
    tf.config.set_visible_devices([], "GPU")
    return seqio, tf


def _digest(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
