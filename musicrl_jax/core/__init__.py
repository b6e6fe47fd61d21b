"""Words that everybody shares: trees, token layout, protocols, randomness, metrics.

Imports jax, chex, numpy and jaxtyping only; every other folder may import it.
"""
