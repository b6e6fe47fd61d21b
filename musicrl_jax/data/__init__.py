"""What training reads: the audio manifest, caption files, text tokens.

A manifest is JSON lines, one clip a line. A caption file is one seekable file, so
that a prompt is a look-up by number. `readers` makes manifests of folders and public
data sets; `caption_pool` makes captions of several sources into prompts.
"""
