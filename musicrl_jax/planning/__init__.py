"""Ahead-of-time plans: what a compiled program needs of each chip.

Programs are compiled for a named topology on a machine that has none of it (`chips`,
`tpu_topology`); their HLO text is read (`hlo`), counted (`costs`, `traffic`), and set
against the chip's limits (`roofline`).
"""
