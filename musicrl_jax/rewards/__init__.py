"""Numbers for clips: text adherence, quality, and linear combinations of rewards.

A reward is any object with `core.protocols.Reward`'s one method: captions, waveforms
and tokens in, named float32 scores out, of which "total" trains the policy.
"""
