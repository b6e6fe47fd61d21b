"""Serving artefacts: programs and weights that run without this package.

programs      StableHLO of the sampler and of captions to waveform, any batch size
shards        weights as sharded safetensors with an index
manifest      the SHA-256 of every file of an artefact
card          the artefact's model card and its README
serve         copied into the artefact: captions to WAV files with jax alone
probe         run in a process of its own, where this package cannot be imported
verification  an artefact's answers in that process against the package's own
"""
