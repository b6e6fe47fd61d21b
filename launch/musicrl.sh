#!/bin/sh
# Read by the other scripts: sets MUSICRL to the command of this checkout's environment,
# or to the one on the PATH. `here` is the folder of this file.
: "${here:?}"
if [ -z "${MUSICRL:-}" ]; then
  MUSICRL=$here/../.venv/bin/musicrl
  [ -x "$MUSICRL" ] || MUSICRL=musicrl
fi
