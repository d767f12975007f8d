#!/usr/bin/env bash
# timeout: 60
# `tutti export`: one row per clip in every array, labels as the mapping says, the same bytes on any ranks, names only at the end.
set -eu
cd "$TT_SCRATCH"
wrong() { echo "$*" && exit 1; }

"$TT_BUILD/tutti" synth --tracks 8 --seconds 4 --seed 2 --out music 2>log || { cat log && exit 1; }
: >music/empty.wav # no clip, no genre
first=$(find music -mindepth 2 -type f ! -name '*.txt' ! -name '*.json' | sort | head -1)
cp "$first" music/tone."${first##*.}" # of no genre
set_all=(--set corpus.path=music --set features.n_mels=20 --set audio.clip_seconds=1 --set audio.clip_hop=1)
mpirun -q -n 2 "$TT_BUILD/tutti" scan --run run "${set_all[@]}" >log 2>&1 || { cat log && exit 1; }
mpirun -q -n 2 "$TT_BUILD/tutti" extract --run run "${set_all[@]}" >log 2>&1 || { cat log && exit 1; }
for n in 1 3; do mpirun -q -n $n "$TT_BUILD/tutti" export --run run --npy "deep/numpy$n" 2>log || { cat log && exit 1; }; done
diff -r deep/numpy1 deep/numpy3 || wrong "the arrays depend on the number of ranks"
cd deep/numpy1
[ "$(echo *)" = "audio_feature_names.json audio_features.npy genre_mapping.json labels.npy mel_spectrograms.npy tracks.npy valid.npy" ] || wrong "files: $(echo *)"

header() { head -c 128 "$1" | tr -d '\0' | grep -ao "{.*}"; }
rows=$(h5dump -H -d /clip/status ../../run/features.h5 | sed -n 's/.*SIMPLE { ( \([0-9]*\) ).*/\1/p')
[ "$(header labels.npy)" = "{'descr': '<i8', 'fortran_order': False, 'shape': ($rows,), }" ] || wrong "labels: $(header labels.npy)"
[ "$(header valid.npy)" = "{'descr': '|b1', 'fortran_order': False, 'shape': ($rows,), }" ] || wrong "valid: $(header valid.npy)"
[[ $(header mel_spectrograms.npy) = "{'descr': '<f4', 'fortran_order': False, 'shape': ($rows, 20, "* ]] || wrong "mel: $(header mel_spectrograms.npy)"
columns=$(grep -c '^ "' audio_feature_names.json)
[ "$(header audio_features.npy)" = "{'descr': '<f4', 'fortran_order': False, 'shape': ($rows, $columns), }" ] || wrong "audio: $(header audio_features.npy)"

# a genre's label is its place in the sorted list, and the label of its clips
numbers() { tail -c $((rows * 8)) "$1" | od -An -v -t d8 | xargs -n 1; }
sed -n 's/^ "\(.*\)": \([0-9]*\),*$/\2 \1/p' genre_mapping.json >mapping
cut -d ' ' -f 2- mapping | LC_ALL=C sort -c || wrong "genres are not sorted"
[ "$(cut -d ' ' -f 1 mapping | xargs)" = "$(seq -s ' ' 0 $(($(wc -l <mapping) - 1)))" ] || wrong "labels are not 0, 1, ..."
h5dump -y -w 1 -d /track/genre ../../run/manifest.h5 | sed -n 's/^ *"\([^\\"]*\).*/\1/p' >genre
paste -d ' ' <(numbers tracks.npy) <(numbers labels.npy) | while read -r track label; do
    name=$(sed -n "$((track + 1))p" genre)
    [ "$label" = "$(sed -n "s/^\([0-9]*\) $name$/\1/p" mapping | grep . || echo -1)" ] || wrong "track $track of genre '$name' has label $label"
done
numbers labels.npy | grep -qx -- -1 || wrong "no label -1 for the clips of no genre"
cd ../..

mpirun -q -n 2 "$TT_BUILD/tutti" export --input run/features.h5:/clip/start --input run/manifest.h5:/track/id --npy any 2>log || { cat log && exit 1; }
[ "$(echo any/*)" = "any/clip_start.npy any/track_id.npy" ] || wrong "any: $(echo any/*)"

# damage is found on the way, and nothing gets its name
head -c 1000 /dev/urandom | dd of=run/features.h5 bs=1 seek=$(($(stat -c %s run/features.h5) / 2)) conv=notrunc 2>/dev/null
status=0
mpirun -q -n 2 "$TT_BUILD/tutti" export --run run --npy broken 2>log || status=$?
[ "$status $(find broken -type f | wc -l)" = "1 0" ] || { cat log && wrong "damage: status $status, $(ls broken)"; }
grep -q "damaged" log || { cat log && wrong "damage is not told"; }
