#!/usr/bin/env bash
# bench.sh [AREA...]: measure areas of the work, all of them by default. Area NAME is tools/bench/NAME.{sh,py} and NAME_*.{sh,py}.
#
# Every figure is taken on this machine in this run, ours beside the peer's: quote ratios, not seconds. One core per process.
# An area runs in a scratch folder of its own, which goes away; it finds the program in $TUTTI and what comparisons share in
# tools/bench/peer.py. TT_BUILD names the build folder.
set -eu
cd "$(dirname "$0")/.."
. tools/mpienv.sh
TT_BUILD=$(realpath "${TT_BUILD:-build}")
export TT_BUILD TUTTI=$TT_BUILD/tutti PYTHONDONTWRITEBYTECODE=1
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
folder=$PWD/tools/bench
work=$(mktemp -d "${TMPDIR:-/tmp}/tutti-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT

programs() { # area: its programs, whole paths
    find "$folder" \( -name "$1.sh" -o -name "$1.py" -o -name "$1_*.sh" -o -name "$1_*.py" \) ! -name peer.py | sort
}
areas() { # all of them, on one line
    programs '*' | sed 's,.*/,,; s/[_.].*//' | sort -u | tr '\n' ' '
}

[ $# -gt 0 ] || set -- '*'
status=0
for area; do
    mapfile -t list < <(programs "$area")
    if [ ${#list[@]} = 0 ]; then
        echo "bench: no area '$area'; there are $(areas)" >&2
        exit 2
    fi
    for program in "${list[@]}"; do
        name=$(basename "$program") run=bash
        [ "${name##*.}" = sh ] || run=/usr/bin/python3
        mkdir "$work/$name"
        printf '\n--- %s\n' "${name%.*}"
        (cd "$work/$name" && "$run" "$program") || { echo "bench: $name failed" >&2 && status=1; }
        rm -rf "${work:?}/$name"
    done
done
exit $status
