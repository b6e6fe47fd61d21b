"""What training reads: the audio manifest, tokens of audio, caption files.

A manifest is JSON lines, one clip a line. `crops` reads a corpus of any size at random
places; `token_shards` writes it as tokens, once, and `token_cache` reads those. A
caption file is one seekable file, so that a prompt is a look-up by number. `readers`
makes manifests of folders and public data sets; `caption_pool` makes captions of
several sources into prompts, and `tasks` mixes them with seqio.
"""
