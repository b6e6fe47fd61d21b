"""SoundStream (Zeghidour et al. 2021): waveform to residual codes and back.

Causal convolutions with strides, residual vector quantisation, the mirror image. It is
trained on distances of spectrograms and waveforms and against discriminators; phase is
coded. Audio may come and go in pieces of whole frames, with the same codes and samples
as in one.
"""
