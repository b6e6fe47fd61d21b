"""The procedural corpus: composes, captions and renders music.

A clip is a pure function of (seed, clip number): `plan` draws what it is, `composer`
writes its notes, `captions` its texts, `renderer` its sound.
"""
