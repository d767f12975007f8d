#!/usr/bin/env bash
# make-shards.sh [--size BYTES] [--part K/N] FOLDER OUT: pack a folder of music, genre/track.ext to any depth, into tar shards
# OUT-000000.tar, OUT-000001.tar, ... as WebDataset has them, for file systems that do not like many files.
#
#   --size BYTES  of audio and lyrics in a shard, with K, M or G for powers of 1024 (1G); one track at least
#   --part K/N    make only the shards whose number is K modulo N: N jobs side by side, --part "$SLURM_ARRAY_TASK_ID/16"
#
# Tracks are numbered in the order of their ids; number.ext is the audio, number.json holds id and genre, number.cls the
# genre, number.txt the lyrics (track.txt beside the audio). The same folder gives the same bytes. A shard appears whole or
# not at all, and one that is there is not made again, so the same command goes on where it was stopped. A corpus of these
# shards (corpus.path: 'OUT-*.tar') has the tracks, ids and labels of the folder, and gives the same features.
set -eu
export LC_ALL=C # bytes, for the order and for the length of names

fail() {
    echo "make-shards: $*" >&2
    exit 1
}

size=1G part=0/1
while [[ ${1:-} == --* ]]; do
    case $1 in
    --size) size=${2:-} ;;
    --part) part=${2:-} ;;
    *) fail "no option $1; usage: make-shards.sh [--size BYTES] [--part K/N] FOLDER OUT" ;;
    esac
    shift 2 || fail "$1 needs a value"
done
[ $# = 2 ] || fail "usage: make-shards.sh [--size BYTES] [--part K/N] FOLDER OUT"
folder=$(realpath "$1") out=$2
[ -d "$folder" ] || fail "$1: is not a folder"
[[ $size =~ ^[0-9]+[KMG]?$ ]] || fail "--size $size: expected bytes, such as 500M or 2G"
[[ $part =~ ^([0-9]+)/([1-9][0-9]*)$ ]] || fail "--part $part: expected K/N, such as 0/16"
mine=$((10#${BASH_REMATCH[1]})) parts=$((10#${BASH_REMATCH[2]}))
[ $mine -lt $parts ] || fail "--part $part: K must be less than N"
limit=$(numfmt --from=iec "$size")
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

declare -A bytes lyrics id taken # by path, from the folder; taken by id: how many are called so

list() { # every file that counts, hidden ones and what is below hidden folders left out, links followed
    find -L "$folder" -mindepth 1 -name '.*' -prune -o -type f -printf '%s %P\0' 2>/dev/null || true
}

is_audio() { # path: is its extension one that Tutti reads?
    case ${1,,} in
    *?.wav | *?.flac | *?.ogg | *?.oga | *?.opus | *?.mp3 | *?.aif | *?.aiff | *?.aifc | *?.au | *?.snd | *?.caf | *?.w64 | *?.rf64) true ;;
    *) false ;;
    esac
}

while IFS= read -r -d '' line; do
    path=${line#* }
    if is_audio "$path"; then
        bytes[$path]=${line%% *} id[$path]=${path%.*}
        taken[${path%.*}]=$((${taken[${path%.*}]:-0} + 1))
    elif [[ ${path,,} == *.txt ]]; then
        lyrics[${path%.*}]=$path
    fi
done < <(list)
[ ${#bytes[@]} -gt 0 ] || fail "$1: holds no audio"

# An id is the path without its extension, unless another would be the same; what gets it back may be the same as a third.
changed=yes
while [ $changed ]; do
    changed=
    for path in "${!id[@]}"; do
        if [ "${taken[${id[$path]}]}" -gt 1 ] && [ "${id[$path]}" != "$path" ]; then id[$path]=$path changed=yes; fi
    done
    [ $changed ] || break
    taken=()
    for path in "${!id[@]}"; do taken[${id[$path]}]=$((${taken[${id[$path]}]:-0} + 1)); done
done

quoted() { # text: as a JSON string in $json
    local text=$1 i c
    text=${text//\\/\\\\} text=${text//\"/\\\"} json=
    if [[ $text == *[[:cntrl:]]* ]]; then
        for ((i = 0; i < ${#text}; i++)); do
            c=${text:i:1}
            [[ $c != [[:cntrl:]] ]] || printf -v c '\\u%04x' "'$c"
            json+=$c
        done
        text=$json
    fi
    json=\"$text\"
}

add() { # number path: stage a track
    local path=$2 name genre='' ext=${2##*.}
    printf -v name '%s/%09d' "$work/stage" "$1"
    [[ $path != */* ]] || genre=${path%%/*}
    ln -s "$folder/$path" "$name.${ext,,}"
    quoted "${id[$path]}" && printf '{"id": %s, ' "$json" >"$name.json"
    quoted "$genre" && printf '"genre": %s}\n' "$json" >>"$name.json"
    [ -z "$genre" ] || printf '%s\n' "$genre" >"$name.cls"
    [ -z "${lyrics[${path%.*}]:-}" ] || ln -s "$folder/${lyrics[${path%.*}]}" "$name.txt"
}

pack() { # shard: from what is staged; the same bytes whoever packs, and whenever
    tar --create --file "$work/shard" --directory "$work/stage" --dereference --sort=name --format=gnu --owner=0 --group=0 \
        --numeric-owner --mode=0644 --mtime=@1000000000 --blocking-factor=1 --no-recursion --null \
        --files-from <(cd "$work/stage" && printf '%s\0' *) || fail "$1: could not be made"
    mv "$work/shard" "$1"
}

# The plan must be that of the shards that are there: the same tracks, of the same sizes, cut in the same places.
plan=$({
    echo "$limit"
    for path in "${!bytes[@]}"; do printf '%s %s\n' "${bytes[$path]}" "$path"; done | sort
} | sha256sum | cut -d ' ' -f 1)
if [ -e "$out.plan" ]; then
    [ "$(cat "$out.plan")" = "$plan" ] || fail "$out-*.tar were made of another folder or with another --size: remove them and $out.plan"
else
    echo "$plan" >"$work/plan" && mv "$work/plan" "$out.plan"
fi

shard=0 number=0 filled=0 made=0 wanted=
begin() { # start staging a shard, if it is ours and not there
    printf -v name '%s-%06d.tar' "$out" $shard
    rm -rf "$work/stage" && mkdir "$work/stage"
    filled=0 wanted=
    if [ $((shard % parts)) = $mine ] && [ ! -e "$name" ]; then wanted=yes; fi
}
finish() {
    if [ $wanted ]; then
        pack "$name"
        made=$((made + 1))
    fi
    shard=$((shard + 1))
}

begin
while IFS= read -r -d '' path; do
    path=${path#*$'\001'}
    text=${lyrics[${path%.*}]:-} all=${bytes[$path]}
    [ -z "$text" ] || all=$((all + $(stat -L -c %s "$folder/$text" 2>/dev/null || echo 0)))
    if [ $filled -gt 0 ] && [ $((filled + all)) -gt "$limit" ]; then
        finish
        begin
    fi
    filled=$((filled + all))
    [ ! $wanted ] || add $number "$path"
    number=$((number + 1))
done < <(for path in "${!id[@]}"; do printf '%s\001%s\0' "${id[$path]}" "$path"; done | sort -z)
finish
echo "make-shards: $number tracks in $shard shards $out-*.tar, $made of them made now"
