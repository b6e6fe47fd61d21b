"""KL-REINFORCE (sections 3.2, 3.3): from sampled, scored clips to a better policy.

config     the numbers of a run           returns     what each token is credited with
losses     the terms, arrays in and out   chunks      axis f in pieces
gradients  the pass over the pieces       update      the algorithm, one step
state      what a checkpoint holds        divergence  the KL that evaluation reports
"""
