#!/bin/sh
# One role on a Cloud TPU slice: asks for it, waits, installs on all workers, runs the
# role on all of them, and begins again where the slice was taken away.
#   launch/tpu_vm.sh learner --name run1-learner --zone us-east5-a --topology v5e:4x4 \
#     --run_dir gs://bucket/run1 --gin_file musicrl_mulan
# --dry_run prints gcloud's lines; --delete gives the slice back.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=launch/musicrl.sh
. "$here/musicrl.sh"
exec "$MUSICRL" launch tpu_vm "$@"
