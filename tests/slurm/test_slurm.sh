#!/usr/bin/env bash
# jobs/pipeline.sbatch on a real SLURM of two nodes: started by srun and by mpirun, told to stop as at the end of its time,
# and with a node lost under it.  Every job ends COMPLETED with the labels of a local run, bit by bit.
# timeout: 300
# alone
set -eu
cd "$(dirname "$0")/../.."
cluster=$PWD/tests/slurm/cluster.sh
[ -n "${TT_CLUSTER:-}" ] || exec "$cluster" run 2 4 "$PWD/tests/slurm/test_slurm.sh"

export TUTTI=$TT_BUILD/tutti
settings=(--set "corpus.path=$TT_SCRATCH/corpus" --set train.epochs=100)

fail() {
    echo "FAILED: $*"
    scontrol -o show job || true
    tail -n 20 "$TT_SCRATCH"/*.log "$TT_CLUSTER"/*.log
    exit 1
}

submit() { # name sbatch-options...: the job's number
    local name=$1
    shift
    sbatch --parsable --nodes=2 --ntasks-per-node=2 --output="$TT_SCRATCH/$name.log" "$@" \
        jobs/pipeline.sbatch configs/demo.yaml "$TT_SCRATCH/$name" "${settings[@]}"
}

field() { # job name: JobState, Restarts, ...
    scontrol show job -o "$1" | tr ' ' '\n' | sed -n "s/^$2=//p" | head -n 1
}

# Wait until the job is under way far enough to lose something: its features are there, its labels are not.
until_busy() { # job name
    local tenths=300
    until [ -e "$TT_SCRATCH/$2/features.h5" ]; do
        [ $((tenths -= 1)) -gt 0 ] || fail "job $1 ($2) made no features within 30 s"
        sleep 0.1
    done
    [ "$(field "$1" JobState)" = RUNNING ] || fail "job $1 ($2) ended too early to be disturbed"
}

until_completed() { # job name
    local tenths=600 state
    while :; do
        state=$(field "$1" JobState)
        case $state in
        COMPLETED) return ;;
        FAILED | TIMEOUT | CANCELLED | OUT_OF_MEMORY) fail "job $1 ($2) ended as $state" ;;
        esac
        [ $((tenths -= 1)) -gt 0 ] || fail "job $1 ($2) is $state after 60 s"
        sleep 0.1
    done
}

until_gone() { # node
    local tenths=300
    until [[ $(sinfo -h -n "$1" -o %t) == down* ]]; do
        [ $((tenths -= 1)) -gt 0 ] || fail "SLURM did not miss $1 within 30 s"
        sleep 0.1
    done
}

check_results() { # name
    local file
    for file in metrics.json clusters.h5 latents.h5 features.h5; do
        [ -s "$TT_SCRATCH/$1/$file" ] || fail "$1: no $file"
    done
    h5diff -q "$TT_SCRATCH/local/clusters.h5" "$TT_SCRATCH/$1/clusters.h5" /kmeans/label ||
        fail "$1: the labels differ from a local run's"
    echo "$1: as the local run"
}

mpirun -q -n 2 "$TUTTI" synth --tracks 32 --out "$TT_SCRATCH/corpus" >/dev/null
mpirun -q -n 2 "$TUTTI" run configs/demo.yaml --run "$TT_SCRATCH/local" "${settings[@]}" >"$TT_SCRATCH/local.log" 2>&1 ||
    fail "a run outside SLURM"

job=$(submit srun)
until_completed "$job" srun
check_results srun

job=$(TUTTI_LAUNCHER=mpirun submit mpirun)
until_completed "$job" mpirun
check_results mpirun

# the signal of --signal=B:USR1@120: checkpoint, exit status 75, queued again, goes on
job=$(submit stopped)
until_busy "$job" stopped
scancel --signal=USR1 --batch "$job"
until_completed "$job" stopped
grep -q "stopped with a checkpoint; queued again" "$TT_SCRATCH/stopped.log" || fail "stopped: no word of a checkpoint"
[ "$(field "$job" Restarts)" = 1 ] || fail "stopped: $(field "$job" Restarts) restarts instead of 1"
check_results stopped

# a rank that dies of SIGPIPE, as one may whose peer's node was just lost: queued again
cat >"$TT_SCRATCH/torn" <<EOF
#!/bin/sh
[ "\${SLURM_RESTART_COUNT:-0}" != 0 ] || kill -PIPE \$\$
exec "$TUTTI" "\$@"
EOF
chmod +x "$TT_SCRATCH/torn"
job=$(TUTTI=$TT_SCRATCH/torn submit broken)
until_completed "$job" broken
[ "$(field "$job" Restarts)" = 1 ] || fail "broken: $(field "$job" Restarts) restarts instead of 1"
check_results broken

# a node without power: SLURM notices, queues the job again, and it runs when the node is back
job=$(submit lost)
until_busy "$job" lost
"$cluster" kill n2
until_gone n2
"$cluster" boot n2
until_completed "$job" lost
[ "$(field "$job" Restarts)" -ge 1 ] || fail "lost: never queued again"
check_results lost
