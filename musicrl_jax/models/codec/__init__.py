"""The codec: waveform to residual codes and back.

`spectral` family: log-mel in, ConvNeXt, residual vector quantisation, ConvNeXt, STFT
magnitudes out, phases from spectral peaks and Griffin-Lim. It learns in minutes on a
CPU. Pitch, chords, drums and timbre live in magnitudes; phase is not coded.
"""
