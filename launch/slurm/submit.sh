#!/bin/sh
# A run on Slurm: learner and evaluator as one job, actors as an array.
#   launch/slurm/submit.sh RUN_DIR GIN_FILE ACTORS [option of sbatch for actors ...]
# The sizes of the jobs stand at the top of run.sbatch and actors.sbatch.
# --dry_run, as the first argument, prints the lines.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
# shellcheck source=launch/musicrl.sh
. "$here/musicrl.sh"
dry=
if [ "${1:-}" = --dry_run ]; then
  dry=1
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
# A mistake in the configuration is told here, not by a job that has waited its turn.
config=$("$MUSICRL" config "$GIN_FILE") || exit 2
if ! printf '%s\n' "$config" | grep -q '^RunConfig\.'; then
  echo "submit.sh: GIN_FILE must configure a run of roles; got '$GIN_FILE'" >&2
  exit 2
fi
last=$((actors - 1))
export RUN_DIR GIN_FILE
if [ -n "$dry" ]; then
  echo "RUN_DIR=$RUN_DIR GIN_FILE=$GIN_FILE"
  echo sbatch --parsable "$here/slurm/run.sbatch"
  echo sbatch --array="0-$last" "$@" "$here/slurm/actors.sbatch"
  exit 0
fi
job=$(sbatch --parsable "$here/slurm/run.sbatch")
job=${job%%;*} # a cluster's name may follow
echo "Submitted batch job $job"
if ! sbatch --array="0-$last" "$@" "$here/slurm/actors.sbatch"; then
  if scancel "$job"; then
    echo "submit.sh: the actors were refused; job $job was cancelled" >&2
  else
    echo "submit.sh: the actors were refused; job $job stays: scancel $job" >&2
  fi
  exit 1
fi
