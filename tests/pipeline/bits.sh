#!/usr/bin/env bash
# bits FILE.h5...: one line per dataset, its name and a hash of its bytes: what must not depend on ranks or kills.
# Attributes hold times and rank counts and are left out.
set -eu
for file in "$@"; do
    h5ls -r "$file" | sed -n 's/^\(.*[^ ]\)  *Dataset {.*$/\1/p' | sed 's/\\ / /g' | while read -r name; do
        h5dump -d "$name" -b NATIVE -o "$TT_SCRATCH/bits" "$file" >/dev/null
        echo "$(basename "$file") $name $(sha256sum <"$TT_SCRATCH/bits" | cut -c 1-32)"
    done
done
