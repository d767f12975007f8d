#!/usr/bin/env bash
# timeout: 60
# Help fits 100 columns, ends well, and names no option that the manual does not; a slip is told in one line, status 2.
set -eu
manual=$PWD/tools/tutti.1
cd "$TT_SCRATCH"

"$TT_BUILD/tutti" --help >help
mapfile -t commands < <(sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' help)
[ ${#commands[@]} -gt 10 ] || { echo "no list of commands:" && cat help && exit 1; }
for command in "${commands[@]}"; do
    "$TT_BUILD/tutti" "$command" --help >"help.$command" 2>err
    [ ! -s err ] || { echo "$command --help writes to standard error:" && cat err && exit 1; }
    grep -q "^usage: tutti $command" "help.$command" || { echo "$command --help has no usage" && exit 1; }
    sed -n 's/^  --\([a-z-]*\).*/\1/p' "help.$command" | while read -r option; do
        grep -qF -- "\\-\\-${option//-/\\-}" "$manual" || { echo "the manual lacks --$option of $command" && exit 1; }
    done
done
long=$(awk 'length > 100 { print FILENAME ": " $0 }' help help.*)
[ -z "$long" ] || { echo "wider than 100 columns:" && echo "$long" && exit 1; }

slip() { # words...
    local status=0
    "$TT_BUILD/tutti" "$@" >out 2>err || status=$?
    [ "$status $(wc -c <out) $(wc -l <err)" = "2 0 1" ] || { echo "tutti $*: status $status" && cat out err && exit 1; }
}
for command in "${commands[@]}"; do
    slip "$command" --nonsense
    slip "$command"
done
