"""The user-preference reward: what listeners would choose (paper, section 3.3).

config     sizes of the heads; the trunk has those of MusicLM
network    MusicLM's two transformers, pooled over the clip, with one or more heads
losses     the Bradley-Terry loss of pairs
adapter    `rewards.preference.PreferenceModel` over the network
objective  the network with that loss, as `pretraining` wants it
warm_start the trunk of a MusicLM checkpoint
"""
