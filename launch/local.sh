#!/bin/sh
# One machine: learner, actors and evaluator of a run.
#   launch/local.sh --run_dir runs/first --gin_file musicrl_mulan_starter
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=launch/musicrl.sh
. "$here/musicrl.sh"
exec "$MUSICRL" finetune "$@"
