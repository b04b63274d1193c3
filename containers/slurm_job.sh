#!/bin/bash
# Template of a SLURM job: one run on one node, resumed by itself when the time limit stops it.
#   sbatch --export=ALL,CASE=cases/fe90sc10_set_a.toml,OUT=runs/set_a containers/slurm_job.sh
#SBATCH --job-name=ngcfem
#SBATCH --nodes=1
#SBATCH --ntasks=16
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=4G
#SBATCH --time=08:00:00
#SBATCH --signal=B:TERM@300
#SBATCH --open-mode=append
#SBATCH --requeue
set -uo pipefail

: "${CASE:?name the case file: sbatch --export=ALL,CASE=...,OUT=... containers/slurm_job.sh}"
: "${OUT:?name the run directory}"
# In a container: NGCFEM="apptainer run ngcfem.sif".
NGCFEM=${NGCFEM:-$SLURM_SUBMIT_DIR/.venv/bin/ngcfem}

cd "$SLURM_SUBMIT_DIR" || exit 1
export OMP_NUM_THREADS=1
export VTK_DEFAULT_OPENGL_WINDOW=vtkEGLRenderWindow

# The ranks are started by the launcher of the solver wheel's MPI, which is not the cluster's: it is
# told to start them itself and on this node, so that it needs neither srun nor the fast network.
export HYDRA_LAUNCHER=fork HYDRA_RMK=user

# shellcheck disable=SC2086  # NGCFEM may hold several words
$NGCFEM run "$CASE" --out "$OUT" --resume --np "$SLURM_NTASKS" &
running=$!
# Five minutes before the limit SLURM sends SIGTERM to this shell: the run writes a checkpoint and
# ends with exit code 5.
stopped=
trap 'stopped=1; kill -TERM "$running"' TERM
wait "$running"
status=$?
# The signal ends the first wait before the run has ended.
while [ -n "$stopped" ]; do
    stopped=
    wait "$running"
    status=$?
done

if [ "$status" = 5 ]; then
    echo "stopped before the limit; queued again to resume"
    exec scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
