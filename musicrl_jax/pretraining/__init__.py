"""One supervised step and loop for every network of the package.

A network brings an `objective.Objective` (its loss) and an `objective.Batches` (its
data as a pure function of the step); `loop.train` does the rest: sharding, schedule,
averaging, metrics, checkpoints and an exact resume. `adversarial` is the step of a
generator with discriminators, driven by the same loop.
"""
