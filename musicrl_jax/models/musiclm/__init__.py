"""MusicLM: a hierarchical transformer over frames of tokens (paper section 3.1).

config     sizes
temporal   frames before -> a state for each frame
depth      a state and the tokens of its frame so far -> features of each token
network    both with a head: logits of the policy, values of the baseline
adapter    `core.protocols.Policy` and `ValueFunction` over these networks
guidance   a policy that leans towards its conditioning, for listening
losses     the supervised loss of tokens
objective  the network with that loss, as `pretraining` wants it
warm_start conditioning that begins as MuLan's codebooks
"""
