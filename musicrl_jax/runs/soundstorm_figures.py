"""What SoundStorm reaches on held-out clips: codes, and the sound of them."""

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import arrays, rng
from musicrl_jax.data import code_cache
from musicrl_jax.models.codec import losses as codec_losses
from musicrl_jax.models.soundstorm import adapter, losses
from musicrl_jax.runs import code_corpus


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Held-out clips, whole.

    Attributes:
      encoder: the codec.
      codes: of all levels.
      semantic: tokens of the same frames, where the network reads them.
      waveform: the recordings.
      coarse_distance: mel distance of what the true coarse levels alone give.
      true_distance: that of all true levels.
    """

    encoder: code_corpus.Encoder
    codes: Int[Array, "b f l"]
    semantic: Int[Array, "b f"] | None
    waveform: Float[Array, "b n"]
    coarse_distance: float
    true_distance: float

    def figures(
        self, stage: adapter.SoundStorm, params: arrays.Params
    ) -> Mapping[str, float]:
        """Returns figures of one network.

        `teacher/nats/level_i`, `teacher/accuracy/level_i`: of level i given all true
        levels below it and nothing of itself. `decoded/agreement/level_i`: the share
        of codes that decoding from the coarse levels gets right.
        `mel_l1/{coarse,soundstorm,true}`: mel distance of the recording to what the
        codec makes of the true coarse levels, of decoded ones, of all true ones.
        """
        found = self._teacher(stage, params)
        coarse = self.codes[..., : stage.coarse_levels]
        keys = rng.clip_keys(jax.random.key(0), "held_out", 0, len(self.codes))
        decoded = stage.refine(params, coarse, keys, self.semantic)
        right = np.asarray(jnp.mean(decoded == self.codes, axis=(0, 1)))
        for level in range(stage.coarse_levels, stage.levels):
            found[f"decoded/agreement/level_{level}"] = float(right[level])
        found["mel_l1/coarse"] = self.coarse_distance
        found["mel_l1/soundstorm"] = distance(self.encoder, self.waveform, decoded)
        found["mel_l1/true"] = self.true_distance
        return found

    def _teacher(
        self, stage: adapter.SoundStorm, params: arrays.Params
    ) -> dict[str, float]:
        found: dict[str, float] = {}
        everywhere = jnp.ones(self.codes.shape[:2], bool)
        for level in range(stage.coarse_levels, stage.levels):
            logits = stage.teacher_logits(
                params, self.codes, jnp.asarray(level), self.semantic
            )
            nats, accuracy = losses.masked_cross_entropy(
                logits, self.codes[..., level], everywhere
            )
            found[f"teacher/nats/level_{level}"] = float(nats)
            found[f"teacher/accuracy/level_{level}"] = float(accuracy)
        return found


def read(
    encoder: code_corpus.Encoder,
    cache: code_cache.CodeCache,
    clips: Sequence[int],
    frames: int,
    coarse_levels: int,
) -> HeldOut:
    """Reads the first `frames` code steps of clips, and their recordings."""
    crops = [cache.crop(clip, 0, frames) for clip in clips]
    stacked = {
        name: jnp.asarray(np.stack([crop[name] for crop in crops]), jnp.int32)
        for name in crops[0]
    }
    codes = stacked["codes"]
    audio = np.stack([encoder.read(cache.rows[clip], frames) for clip in clips])
    waveform = jnp.asarray(audio, jnp.float32)
    return HeldOut(
        encoder=encoder,
        codes=codes,
        semantic=stacked.get("semantic"),
        waveform=waveform,
        coarse_distance=distance(encoder, waveform, codes[..., :coarse_levels]),
        true_distance=distance(encoder, waveform, codes),
    )


def distance(
    encoder: code_corpus.Encoder,
    waveform: Float[Array, "b n"],
    codes: Int[Array, "b f l"],
) -> float:
    """Returns how far what the codec makes of codes is from recordings.

    The mean |difference| of natural-log mel (80 bands, 1024/256, floor 1e-4).
    """
    decoded = encoder.codec.decode(encoder.codec_params, codes)
    return float(_mel_distance(waveform, decoded))


@jax.jit
def _mel_distance(
    target: Float[Array, "b n"], estimate: Float[Array, "b n"]
) -> Float[Array, ""]:
    mel = spectrogram.MelConfig()
    return codec_losses.log_magnitude_distance(
        spectrogram.log_mel(target, mel), spectrogram.log_mel(estimate, mel)
    )
