"""One supervised step and loop for every network of the package.

A network brings an `objective.Objective` (its loss) and an `objective.Batches` (its
data as a pure function of the step); `loop.train` does the rest: sharding, schedule,
averaging, accumulation, metrics, held-out evaluation, checkpoints and an exact resume.
`fingerprint` tells whether a run that goes on has the data that it began with.
`adversarial` is the step of a generator with discriminators, driven by the same loop.
"""
