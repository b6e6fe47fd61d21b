"""Composition roots: the only files that name concrete networks.

One file a command: `corpus`, `pretrain_*`, `starter`, `generate`, `learner`, `actor`,
`evaluator`, `finetune` (which starts the three roles on one machine) and `demo`.
"""
