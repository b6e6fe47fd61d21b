"""Rater studies: which clips are compared by whom, and what the ratings say.

`plan` makes the tasks of a blind study (paper, section 4.3), `files` writes and reads
what passes between the study and its raters, `analysis` turns ratings into win rates,
mean opinion scores and tests, and `panel` compares a small panel with recorded choices.
"""
