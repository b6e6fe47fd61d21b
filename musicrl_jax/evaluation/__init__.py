"""Judging a policy: prompts, scores, statistics, figures and the report.

Everything is a function of arrays, prompts and passed-in rewards; which networks made
the clips is known in `runs` only.
"""
