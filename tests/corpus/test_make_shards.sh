#!/usr/bin/env bash
# tools/make-shards.sh: shards made of a folder are the same bytes each time, in one go, in parts or after a stop, and give
# the features, ids and labels of the folder.
# timeout: 120
set -eu
make_shards=$(realpath "$(dirname "$0")/../../tools/make-shards.sh") tutti=$TT_BUILD/tutti
cd "$TT_SCRATCH"

fails() { # what it must say, command...
    local says=$1 said
    shift
    if said=$("$@" 2>&1); then echo "did not fail: $*" && exit 1; fi
    [[ $said == *"$says"* ]] || { echo "$* said: $said" && exit 1; }
}

"$tutti" synth --tracks 16 --seconds 3 --out corpus 2>log || { cat log && exit 1; }
rm -f corpus/*.csv
sound=$(find corpus -name '*.wav' | sort | head -n 1)
mkdir -p corpus/odd/.hidden
for name in a.b.wav a.c.wav b.wav b.WAV.wav $'q"uo\\te\n.wav' গান.wav .no.wav .hidden/no.wav; do cp "$sound" "corpus/odd/$name"; done
cp "$(find corpus -name '*.flac' | sort | head -n 1)" corpus/odd/b.flac
cp "$sound" corpus/of-no-genre.wav
echo 'words of a.b' >corpus/odd/a.b.txt
echo 'words of nobody' >corpus/odd/x.txt

"$make_shards" --size 1M corpus whole/s >log
shards=$(find whole -name 's-*.tar' | wc -l)
[ "$shards" -gt 3 ] || { cat log && ls -l whole && exit 1; }
"$make_shards" --size 1M --part 1/2 corpus parts/s >log
[ "$(find parts -name '*.tar' | wc -l)" = $((shards / 2)) ]
"$make_shards" --size 1M corpus parts/s >log
for shard in whole/*.tar; do cmp "$shard" "parts/${shard#*/}"; done
[ "$(ls -A whole)" = "$(ls -A parts)" ] # and nothing left behind
fails 'were made of another folder' "$make_shards" --size 2M corpus whole/s
fails 'is not a folder' "$make_shards" nowhere x/s
fails 'expected bytes' "$make_shards" --size much corpus x/s
fails 'K must be less' "$make_shards" --part 2/2 corpus x/s
fails 'no option --shards' "$make_shards" --shards 2 corpus x/s

for corpus in corpus whole; do
    "$tutti" scan --run "$corpus.run" --set corpus.path="$corpus" 2>log || { cat log && exit 1; }
    mpirun -q -n 2 "$tutti" extract --run "$corpus.run" --set corpus.path="$corpus" 2>log || { cat log && exit 1; }
done
for column in id genre language lyrics seconds format; do h5diff corpus.run/manifest.h5 whole.run/manifest.h5 /track/$column; done
h5diff corpus.run/manifest.h5 whole.run/manifest.h5 /lyrics/text
for column in /mel /audio /clip/track /clip/start /clip/status; do h5diff corpus.run/features.h5 whole.run/features.h5 $column; done
