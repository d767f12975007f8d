#!/usr/bin/env bash
# timeout: 60
# What `tutti info` counts is what is there, and odd names do not reach the terminal.
set -u
cd "$TT_SCRATCH" || exit 1
failed=0

# expect FILE LINE...: info of FILE has these lines, blanks aside
expect() {
    local file=$1 line
    shift
    mpirun -q -n 2 "$TT_BUILD/tutti" info "$file" 2>err | tr -s ' ' >out
    for line; do
        grep -qxF -- "$line" out || { echo "info $file has no line '$line':"; cat out err; failed=1; }
    done
}

mkdir -p music/rock music/jazz
"$TT_BUILD/tutti" synth --tracks 1 --seconds 5 --out one 2>err || cat err
sound=$(find one -name '*.wav' -o -name '*.flac' -o -name '*.ogg' -o -name '*.opus' -o -name '*.mp3' | head -1)
kind=${sound##*.}
for i in 1 2; do cp "$sound" "music/rock/$i.$kind"; done
cp "$sound" $'music/jazz/\033[31m\n.'"$kind"
: >music/jazz/empty.wav
# an uncompressed track of 4 s whose last quarter is lost: its only clip is whole, and the track is marked
{ printf 'RIFF\x24\x71\x02\x00WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\x00\xfa\0\0'; yes 'a tone of a kind' | head -c 48000; } >music/cut.wav
timeout 50 mpirun -q -n 2 "$TT_BUILD/tutti" extract --corpus music --output f.h5 2>log || { cat log; failed=1; }
expect f.manifest.h5 "tracks per genre" " rock 2 40.0 %" " (unknown) 1 20.0 %" " truncated 1 20.0 %" " empty 1 20.0 %" " stage scan"
expect f.h5 " ok 3 60.0 %" " truncated 1 20.0 %" " empty 1 20.0 %" "clips per status" " /failures/code i32 2"
"$TT_BUILD/tutti" info --config f.h5 >again.yaml
grep -q '^  sample_rate: 22050' again.yaml || { echo "info --config:"; cat again.yaml; failed=1; }
if LC_ALL=C grep -q $'\033' log; then echo "a name's escape sequence in the log"; failed=1; fi
exit $failed
