"""Keeps trees of parameters on disk: learner state and single networks.

    weights   one network in one safetensors file, with its configuration
    digests   a number for each leaf that is the same on every mesh
    manager   writes the learner's checkpoints in the background
    reader    reads them, verified, and falls back to the one before
    snapshots one tree of a supervised run

The only home of orbax.
"""
