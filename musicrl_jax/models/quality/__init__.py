"""The quality estimator: the mean opinion score of a clip, from its sound alone.

It needs no reference recording (paper, section 3.1) and is trained on the scores of
single raters, each of whom may be stricter or milder than the mean.
"""
