#!/usr/bin/env bash
# timeout: 40
# `tutti verify`: a published file is sound; a bit of data, of a name or of an attribute that changed is told and ends in 1;
# what holds no checksums ends in 3.
set -u
cd "$(dirname "$0")/../.." || exit 1
tutti=$TT_BUILD/tutti foreign=$PWD/tests/store/foreign.h5
golden=$PWD/tests/cluster/kmeans_golden.h5
cd "$TT_SCRATCH" || exit 1

# verify STATUS WORDS FILE...: `verify` of the files ends in the status and says the words; `$many` starts it
many=()
verify() {
    local expected=$1 words=$2 status
    shift 2
    "${many[@]}" "$tutti" verify "$@" >out 2>&1
    status=$?
    [ $status = "$expected" ] || { echo "${many[*]} verify $* ends in $status, expected $expected"; cat out; exit 1; }
    grep -q -- "$words" out || { echo "${many[*]} verify $* does not say '$words'"; cat out; exit 1; }
}

# turn OFFSET NAME: NAME.h5, a copy of the sound file with the lowest bit of the byte there turned
turn() {
    local byte
    cp sound.h5 "$2.h5"
    byte=$(od -An -tu1 -j "$1" -N 1 sound.h5)
    # shellcheck disable=SC2059 # an escape is the format
    printf "\\$(printf %o $((byte ^ 1)))" | dd of="$2.h5" bs=1 seek="$1" conv=notrunc status=none
    ! cmp -s sound.h5 "$2.h5" || { echo "nothing was turned in $2"; exit 1; }
}

# place TEXT: offset of its first place in the sound file
place() {
    local found
    found=$(grep -abo -m 1 -- "$1" sound.h5 | head -n 1)
    [ -n "$found" ] || { echo "no '$1' in the file"; exit 1; }
    echo "${found%%:*}"
}

"$tutti" cluster --input "$golden:/blobs/x" --method dbscan --eps 1 --output sound.h5 2>log || { cat log; exit 1; }
verify 0 "all sound" sound.h5

turn "$(place min_samples)" setting # the text of an attribute
verify 1 "setting.h5.*damaged" setting.h5
turn "$(place fingerprint)" attribute # the name of an attribute
verify 1 "attribute.h5" attribute.h5
turn "$(place core)" link # the name of a dataset
verify 1 "link.h5" link.h5
turn "$(h5dump -p -H -d /dbscan/label sound.h5 | sed -n 's/^ *OFFSET \([0-9]*\)$/\1/p')" data
verify 1 "data.h5: 1 of .* blocks is damaged" data.h5
head -c $(($(stat -c %s sound.h5) / 2)) sound.h5 >cut.h5
verify 1 "cut.h5" cut.h5

verify 3 "holds no checksums" "$foreign"
verify 3 "1 of 2 files hold no checksums" sound.h5 "$foreign"
verify 1 "1 of 3 files are not sound" sound.h5 "$foreign" setting.h5

many=(mpirun -q -n 3)
verify 0 "all sound" sound.h5
verify 1 "data.h5: 1 of .* blocks is damaged" data.h5
verify 3 "1 of 2 files hold no checksums" sound.h5 "$foreign"
exit 0
