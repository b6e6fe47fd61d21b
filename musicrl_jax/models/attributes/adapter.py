"""The trained classifier as a judge of waveforms."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import arrays, errors
from musicrl_jax.models.attributes import config as attributes_config
from musicrl_jax.models.attributes import network


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttributeJudge:
    """Tells which value of each attribute a clip has."""

    config: attributes_config.AttributesConfig

    def abstract_params(self) -> arrays.Params:
        """Returns the shapes of the parameters, for reading them from a file."""
        return network.abstract_params(self.config)

    @functools.partial(jax.jit, static_argnames="self")
    def log_probabilities(
        self, params: arrays.Params, waveform: Float[Array, "b n"]
    ) -> dict[str, Float[Array, "b labels"]]:
        """Returns natural-log probabilities by attribute."""
        mel = spectrogram.log_mel(waveform, self.config.mel)
        return self.of_mel(params, mel)

    def of_mel(
        self, params: arrays.Params, mel: Float[Array, "b frames m"]
    ) -> dict[str, Float[Array, "b labels"]]:
        """Returns `log_probabilities` of clips whose spectrogram is at hand."""
        logits = network.logits(self.config, params, mel)
        return {name: jax.nn.log_softmax(values) for name, values in logits.items()}

    def judge(
        self, params: arrays.Params, waveform: Float[np.ndarray, "b n"]
    ) -> dict[str, list[str]]:
        """Returns the likeliest label of each clip, by attribute."""
        scores = self.log_probabilities(params, waveform)
        return {
            head.name: [
                head.labels[index]
                for index in np.asarray(scores[head.name]).argmax(axis=-1)
            ]
            for head in self.config.heads
        }


def make_judge(config: attributes_config.AttributesConfig) -> AttributeJudge:
    """Returns the judge of these sizes and labels."""
    return AttributeJudge(config=config)


def label_ids(
    config: attributes_config.AttributesConfig, attributes: Sequence[Mapping[str, str]]
) -> Int[np.ndarray, "clips heads"]:
    """Returns the label number of each clip's attributes; -1 where it has none.

    Args:
      config: which attributes and labels there are.
      attributes: of each clip, such as `{"genre": "tango"}`.

    Raises:
      InputError: for a value that the classifier has no label for.
    """
    ids = np.full((len(attributes), len(config.heads)), -1, np.int32)
    for column, head in enumerate(config.heads):
        number = {label: index for index, label in enumerate(head.labels)}
        for row, values in enumerate(attributes):
            value = values.get(head.name)
            if value is not None and value not in number:
                raise errors.InputError(
                    f"The classifier has no {head.name} {value!r}; it has "
                    f"{', '.join(head.labels)}. Retrain it on this corpus."
                )
            ids[row, column] = -1 if value is None else number[value]
    return ids
