"""Signals without networks: files, levels, windows, spectrograms.

All audio is mono float32 in [-1, 1], 16 kHz unless an argument says otherwise.
"""
