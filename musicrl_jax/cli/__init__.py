"""The `musicrl` command: the only place that reads gin, prints, and ends the process.

`main` holds the commands' home and the exit codes, `gin_files` reads gin files without
running them, `configurables` lists what gin may bind, `bindings` builds a config.
"""
