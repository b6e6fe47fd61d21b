"""Composition roots: the only files that name concrete networks.

One file a command: `corpus`, `audio_manifest`, `caption_pool`, `pretrain_*`, `starter`,
`generate`, `learner`, `actor`, `evaluator`, `finetune` (which starts the three roles on
one machine) and `demo`.
"""
