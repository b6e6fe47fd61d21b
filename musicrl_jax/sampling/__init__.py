"""Captions to tokens to audio.

choices     draws one token of each clip, with a key for each clip
loop        prefill, then one compiled scan over frames
renderer    tokens -> waveform
generator   captions -> waveform
"""
