"""The actor: pulls a policy, samples clips, scores them, sends trajectories.

`actor.py` is what happens to one batch of prompts, `loop.py` is the process around it.
An actor keeps no state that a restart would miss.
"""
