#!/usr/bin/env bash
# bits DIR: what must depend neither on ranks nor on kills: of every dataset of every file of a run directory the checksums
# of its bytes, after `tutti verify` has found that they are true, and the scores. Left out are attributes, with their seal, and
# /history/seconds, which tell of time.
set -euo pipefail
"$TT_BUILD/tutti" verify "$1"/*.h5 >&2
for file in "$1"/*.h5; do
    h5dump -A 0 -g /checksum "$file" | awk -v file="${file##*/}" '
        /GROUP/ { group = $2 }
        /DATASET/ { name = group "/" $2; skip = (group == "\"history\"" && $2 == "\"seconds\"") || $2 == "\"(structure)\"" }
        /DATATYPE/ { next }
        /^ *\([0-9]+\): / && !skip { print file, name, $0 }'
done
sed '/"provenance"/,$d' "$1/metrics.json"
