"""Aligns text-to-music models with human preferences, in JAX.

The order of the folders is the order of the data:

    captions -> sampling (tokens, log-probabilities) -> audio -> rewards
             -> transport (trajectories) -> learning (KL-REINFORCE) -> checkpoints
             -> evaluation, export, serving

`README.md` has the picture and the two commands to start with.
"""
