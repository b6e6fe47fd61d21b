"""The trained estimator: waveforms to mean opinion scores."""

import dataclasses
import functools

import jax
from jaxtyping import Array, Float

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import arrays, errors
from musicrl_jax.models.quality import config as quality_config
from musicrl_jax.models.quality import network


@dataclasses.dataclass(frozen=True, kw_only=True)
class QualityEstimator:
    """Predicts what listeners would say of a clip's acoustic quality, from 1 to 5."""

    config: quality_config.QualityConfig

    @property
    def sample_rate_hz(self) -> int:
        """Samples in a second of the waveforms."""
        return self.config.sample_rate_hz

    @property
    def simulated(self) -> bool:
        """Whether it was trained on simulated raters."""
        return self.config.simulated_raters

    def abstract_params(self) -> arrays.Params:
        """Returns the shapes of the parameters, for reading them from a file."""
        return network.abstract_params(self.config)

    @functools.partial(jax.jit, static_argnames="self")
    def opinion(
        self, params: arrays.Params, waveform: Float[Array, "b n"]
    ) -> Float[Array, " b"]:
        """Returns predicted mean opinion scores.

        Raises:
          InputError: for clips shorter than `QualityConfig.min_seconds`.
        """
        if waveform.shape[1] < self.config.min_samples:
            raise errors.InputError(
                f"The quality estimator hears {self.config.min_seconds} s or more; got "
                f"{waveform.shape[1] / self.sample_rate_hz:.2f} s. Use longer clips."
            )
        return self.of_mel(params, spectrogram.log_mel(waveform, self.config.mel))

    def of_mel(
        self, params: arrays.Params, mel: Float[Array, "b frames m"]
    ) -> Float[Array, " b"]:
        """Returns `opinion` of clips whose spectrogram is at hand."""
        return network.opinion(self.config, params, mel)


def make_estimator(config: quality_config.QualityConfig) -> QualityEstimator:
    """Returns the estimator of these sizes."""
    return QualityEstimator(config=config)
