#!/bin/sh
# A run on GKE: renders its JobSets and applies them.
#   launch/gke/run.sh --name run1 --image IMAGE --run_dir gs://bucket/run1 \
#     --learner v5e:4x4 --actor v5e:2x4 --actors 8 --gin_file musicrl_mulan
# --dry_run, as the first argument, prints the manifest.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
# shellcheck source=launch/musicrl.sh
. "$here/musicrl.sh"
if [ "${1:-}" = --dry_run ]; then
  shift
  exec "$MUSICRL" launch gke "$@"
fi
# Rendered first: what is refused must not reach the cluster.
manifest=$("$MUSICRL" launch gke "$@")
printf '%s\n' "$manifest" | kubectl apply --filename -
