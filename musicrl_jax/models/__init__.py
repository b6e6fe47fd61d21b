"""Networks: one folder each, of the same anatomy.

    codec        waveform to residual codes and back, by way of spectrograms
    soundstream  waveform to residual codes and back, sample by sample, in a stream
    semantic     waveform to one token a frame, about what is played
    mulan        captions and audio to one space, and its conditioning tokens
    musiclm      conditioning tokens to clips, frame by frame
    quality      waveform to a predicted mean opinion score

`config` holds the sizes, `network` the Linen modules, `losses` pure functions of
arrays, `objective` the supervised training and `adapter` the protocol of
`core.protocols` that the rest of the package sees.
"""
