"""The sizes and labels of the attribute classifier."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Head:
    """One attribute: its name in the manifest, and its possible values."""

    name: str
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise errors.InputError(
                f"Attribute {self.name!r} needs two or more distinct labels; got "
                f"{self.labels}. Use a corpus in which it varies."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttributesConfig:
    """A small two-dimensional CNN on log-mel spectrograms.

    Attributes:
      heads: the attributes to tell.
      sample_rate_hz: of the waveforms.
      fft_size: samples of a spectrogram window.
      hop: samples between frames.
      num_mels: mel bands; each stage halves them.
      channels: features of each 3 x 3 stage; each halves time and frequency.
      width: features of a frame after the stages.
      kernel: frames that each of the two temporal convolutions sees.
      dropout: share of pooled features left out in training.
    """

    heads: tuple[Head, ...]
    sample_rate_hz: int = 16_000
    fft_size: int = 1024
    hop: int = 400
    num_mels: int = 64
    channels: tuple[int, ...] = (16, 32, 64)
    width: int = 128
    kernel: int = 5
    dropout: float = 0.2

    def __post_init__(self) -> None:
        names = [head.name for head in self.heads]
        if not names or len(set(names)) != len(names):
            raise errors.InputError(
                "AttributesConfig.heads needs one or more heads of distinct names; got "
                f"{names}."
            )
        if not self.channels or min(*self.channels, self.width, self.kernel) < 1:
            raise errors.InputError(
                "AttributesConfig needs positive channels, width and kernel; got "
                f"{self.channels}, {self.width}, {self.kernel}."
            )
        if self.num_mels % 2 ** len(self.channels) or not 0 <= self.dropout < 1:
            raise errors.InputError(
                "AttributesConfig needs num_mels that each stage can halve, dropout in "
                f"[0, 1); got {self.num_mels} for {len(self.channels)} stages, "
                f"{self.dropout}."
            )

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "AttributesConfig":
        """Returns the config whose `dataclasses.asdict` went through JSON."""
        heads = tuple(
            Head(name=head["name"], labels=tuple(head["labels"]))
            for head in fields["heads"]
        )
        channels = tuple(fields["channels"])
        return cls(**(dict(fields) | {"heads": heads, "channels": channels}))

    @property
    def mel(self) -> spectrogram.MelConfig:
        """The spectrogram that the network reads."""
        return spectrogram.MelConfig(
            sample_rate_hz=self.sample_rate_hz,
            fft_size=self.fft_size,
            hop=self.hop,
            num_mels=self.num_mels,
        )

    def head(self, name: str) -> Head:
        """Returns the head of attribute `name`.

        Raises:
          InputError: where there is none.
        """
        for head in self.heads:
            if head.name == name:
                return head
        known = ", ".join(head.name for head in self.heads)
        raise errors.InputError(
            f"The attribute classifier does not know {name!r}; it knows {known}."
        )
