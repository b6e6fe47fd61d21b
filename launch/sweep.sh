#!/bin/sh
# Many runs over gin bindings, on this machine; the same command goes on.
#   launch/sweep.sh --out sweeps/kl --gin_file musicrl_mulan_starter \
#     --vary "LearnerConfig.kl_weight=0.01,0.02,0.05" --parallel 2
# --print_commands prints a line for each trial instead; see README.md for clusters.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=launch/musicrl.sh
. "$here/musicrl.sh"
exec "$MUSICRL" sweep "$@"
