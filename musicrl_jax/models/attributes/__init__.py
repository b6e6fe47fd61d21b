"""A judge of clips that shares nothing with a reward: attributes from audio.

It hears which genre and lead instrument a clip has. It is trained from labels, with
no text, on features and by an architecture of its own, and no policy is trained on it.
"""
