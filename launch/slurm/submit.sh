#!/bin/sh
# A run on Slurm: learner and evaluator as one job, actors as an array.
#   launch/slurm/submit.sh RUN_DIR GIN_FILE ACTORS [option of sbatch for actors ...]
# The sizes of the jobs stand at the top of run.sbatch and actors.sbatch.
# --dry_run, as the first argument, prints the lines.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
lead=
if [ "${1:-}" = --dry_run ]; then
  lead="echo"
  shift
fi
if [ $# -lt 3 ]; then
  echo "usage: submit.sh [--dry_run] RUN_DIR GIN_FILE ACTORS [option of sbatch ...]" >&2
  exit 2
fi
RUN_DIR=$1
GIN_FILE=$2
actors=$3
shift 3
case $actors in
  '' | 0* | *[!0-9]*)
    echo "submit.sh: ACTORS must be a number, 1 or more; got '$actors'" >&2
    exit 2
    ;;
esac
last=$((actors - 1))
export RUN_DIR GIN_FILE
[ -z "$lead" ] || echo "RUN_DIR=$RUN_DIR GIN_FILE=$GIN_FILE"
$lead sbatch "$here/run.sbatch"
$lead sbatch --array="0-$last" "$@" "$here/actors.sbatch"
