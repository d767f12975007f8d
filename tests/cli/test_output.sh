#!/usr/bin/env bash
# timeout: 60
# An output that cannot be, or that is an input, is refused in one line before any work; and k must be a whole number.
set -eu
cases=$PWD/tests/linalg/matrix_valid.h5
cd "$TT_SCRATCH"
cp "$cases" x.h5
before=$(sha256sum <x.h5)
mkdir folder; mkfifo pipe
ln -s x.h5 link.h5

refuse() { # status, words of the error, options
    local want=$1 words=$2 got=0
    shift 2
    "${launch[@]}" "$TT_BUILD/tutti" "$@" >out 2>err || got=$?
    if [ "$got" != "$want" ] || ! grep -q "$words" err || [ "$(wc -l <err)" != 1 ]; then
        echo "tutti $*: status $got, wanted $want with '$words' in one line"
        cat err
        exit 1
    fi
}
launch=(mpirun -q -n 3)
refuse 2 "would replace" cluster --input x.h5:/x --k 2 --output x.h5
launch=(env)
for output in ./x.h5 link.h5; do
    refuse 2 "would replace" cluster --input x.h5:/x --k 2 --output "$output"
    refuse 2 "would replace" pca --input x.h5:/x --components 1 --output "$output"
    refuse 2 "would replace" evaluate --input x.h5:/x --labels x.h5:/y --output "$output"
done
ln x.h5 o.h5.part
refuse 2 "would replace" embed --input o.h5.part:/x --output o.h5
[ "$(sha256sum <x.h5)" = "$before" ] || { echo "the input was changed"; exit 1; }
refuse 1 "folder" train --input x.h5:/x --output folder
refuse 1 "no folder none/" train --input x.h5:/x --output none/o.h5
refuse 1 "device" cluster --input x.h5:/x --k 2 --output pipe
refuse 2 "empty" cluster --input x.h5:/x --k 2 --output ""
for k in 2.5 abc nan ""; do
    refuse 2 "cluster.kmeans.k" cluster --input x.h5:/x "--k=$k" --output o2.h5
done
refuse 2 "cluster.kmeans.tol" cluster --input x.h5:/x --k 2 --tol=nan --output o2.h5
[ -z "$(find . -name 'o2*')" ] || { echo "something was written"; exit 1; }
