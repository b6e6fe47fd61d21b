"""What held-out recordings score through the codec: the ceiling of the samples."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from musicrl_jax.evaluation import report_data, scores
from musicrl_jax.runs import reconstruction, references, run_config, system


@dataclasses.dataclass(frozen=True, kw_only=True)
class RealClips:
    """Scores of real clips through the codec, and some of them to listen to."""

    figures: Mapping[str, float]
    examples: tuple[report_data.Reference, ...]


def measure(training: run_config.RunConfig, scorer: scores.Scorer) -> RealClips:
    """Scores the reference clips beside the networks, as long as the run's clips.

    Raises:
      InputError: where they cannot be read.
    """
    networks = system.networks_directory(training.networks)
    codec = reconstruction.load(networks / "codec.safetensors")
    found = references.read(networks, scorer.sample_rate_hz)
    clips = references.decoded(found, codec, training.clip_seconds)
    # Recordings have no tokens of the policy; scores of tokens are left out below.
    tokens = np.zeros((len(clips), 2, scorer.layout.tokens_per_frame), np.int32)
    scored = scorer(found.prompts, scores.Clips(waveform=clips, tokens=tokens))
    figures = {"reward/total": scored.rewards["total"]}
    figures |= {f"attribute/{name}": hits for name, hits in scored.correct.items()}
    figures |= {
        f"sound/{name}": values
        for name, values in scored.sound.items()
        if name != "repetition"
    }
    return RealClips(
        figures={name: float(np.nanmean(x)) for name, x in figures.items()},
        examples=tuple(
            report_data.Reference(
                title=f"{prompt.text} (held-out clip)",
                recording=recording[: clips.shape[1]],
                codec=clip,
            )
            for prompt, recording, clip in zip(
                found.prompts, found.recordings, clips, strict=False
            )
        ),
    )
