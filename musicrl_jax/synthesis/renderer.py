"""Turns a score into sound with FluidSynth and a soundfont.

Needs the system library `libfluidsynth` and the extra `corpus`.
"""

import pathlib
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int16

from musicrl_jax.audio import waveform as waveforms
from musicrl_jax.core import errors
from musicrl_jax.synthesis import score
from musicrl_jax.synthesis import soundfont as soundfonts

BLOCK = 64
DRUM_BANK = 128
REVERB_CONTROL = 91
VOLUME_CONTROL = 7
TARGET_RMS = 0.1
PEAK = 0.9
FADE_SECONDS = 0.02
Event = tuple[int, int, int, int, int]
"""(block, 0 for off or 1 for on, channel, pitch, velocity), in order of time."""


class Renderer:
    """Renders scores with one soundfont; a clip does not depend on those before."""

    def __init__(self, soundfont: pathlib.Path, sample_rate_hz: int) -> None:
        self._font = soundfonts.Soundfont(soundfont)
        self._rate = sample_rate_hz

    def render(
        self, piece: score.Score, seconds: float, random: np.random.Generator
    ) -> Float[np.ndarray, " n"]:
        """Returns `seconds` of the piece, levelled, without clipping.

        Args:
          piece: what is played.
          seconds: length; notes after it are cut off.
          random: draws how far notes stray from their time.
        """
        with self._font.synthesiser() as (synth, font):
            _set_up(synth, font, piece)
            blocks = -(-round(seconds * soundfonts.SYNTH_RATE_HZ) // BLOCK)
            stereo = _play(synth, events(piece, random), blocks)
        mono = stereo.reshape(-1, 2).mean(axis=1, dtype=np.float32) / 32_768
        mono = waveforms.resample(mono, soundfonts.SYNTH_RATE_HZ, self._rate)
        return level(mono[: round(seconds * self._rate)], self._rate)


def _set_up(synth: soundfonts.Synth, font: int, piece: score.Score) -> None:
    """Gives each track its channel, program and reverb."""
    for channel, track in zip(channels(piece), piece.tracks, strict=True):
        bank = DRUM_BANK if track.drums else 0
        synth.program_select(channel, font, bank, track.program)
        synth.cc(channel, VOLUME_CONTROL, track.volume)
        synth.cc(channel, REVERB_CONTROL, track.reverb)


def _play(
    synth: soundfonts.Synth, score_events: Iterable[Event], blocks: int
) -> Int16[np.ndarray, " samples"]:
    """Returns `blocks` blocks of interleaved stereo."""
    parts, done = [], 0
    for block, on, channel, pitch, velocity in score_events:
        if block >= blocks:
            break
        if block > done:
            parts.append(synth.get_samples((block - done) * BLOCK))
            done = block
        if on:
            synth.noteon(channel, pitch, velocity)
        else:
            synth.noteoff(channel, pitch)
    parts.append(synth.get_samples((blocks - done) * BLOCK))
    return np.concatenate(parts)


def channels(piece: score.Score) -> list[int]:
    """Returns a MIDI channel for each track; drums have channel 9."""
    melodic = iter([channel for channel in range(16) if channel != 9])
    return [9 if track.drums else next(melodic) for track in piece.tracks]


def events(piece: score.Score, random: np.random.Generator) -> list[Event]:
    """Returns the piece's MIDI events in order; offs come before ons of one time."""
    found = []
    blocks_per_second = soundfonts.SYNTH_RATE_HZ / BLOCK
    for channel, track in zip(channels(piece), piece.tracks, strict=True):
        for note in track.notes:
            late = max(0.0, piece.seconds(note.start) + random.normal(0, piece.loose))
            until = piece.seconds(note.start + note.duration)
            start = round(late * blocks_per_second)
            end = max(start + 1, round(until * blocks_per_second))
            found.append((start, 1, channel, note.pitch, note.velocity))
            found.append((end, 0, channel, note.pitch, 0))
    return sorted(found)


def level(
    waveform: Float[np.ndarray, " n"], sample_rate_hz: int
) -> Float[np.ndarray, " n"]:
    """Returns the waveform at the target level, faded over 20 ms at both ends.

    Its RMS becomes `TARGET_RMS` (-20 dBFS), or less where its peak would pass `PEAK`.
    """
    rms = float(np.sqrt(np.mean(np.square(waveform))))
    peak = float(np.abs(waveform).max())
    if peak == 0:
        raise errors.InvariantError(
            "A rendered clip is silent. Check that the soundfont has General MIDI "
            "programs."
        )
    gain = min(TARGET_RMS / rms, PEAK / peak)
    fade = round(FADE_SECONDS * sample_rate_hz)
    ramp = np.minimum(1, (np.arange(len(waveform)) + 1) / fade)
    return (waveform * gain * ramp * ramp[::-1]).astype(np.float32)
