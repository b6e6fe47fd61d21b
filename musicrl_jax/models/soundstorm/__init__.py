"""SoundStorm: a codec's fine residual levels from its coarse ones, in parallel.

Borsos et al. 2023 (2305.09636): a conformer over frames fills one level after the
other. The policy writes the coarse levels (paper, section 3.1); what this adds is
heard, and costs a few passes however long the clip is.
"""
