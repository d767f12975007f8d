#!/usr/bin/env bash
# The readers of audio, tar, CSV and YAML on changed inputs (libFuzzer, with ASan and UBSan), two at a time: the same 2,000 in
# every check, others for FUZZ_SECONDS each where that is set (`make fuzz`). A crash, a leak, 10 s for one input or 768 MB
# fail (64 of them ASan's quarantine of freed memory, which would grow to 256 by itself). Inputs that found something stay in
# BUILD/fuzz/found, and what `make fuzz` learnt in BUILD/fuzz/corpus.
# timeout: 300
set -eu
cd "$(dirname "$0")/../.."
build=$TT_BUILD/fuzz
if [ -n "${FUZZ_SECONDS:-}" ]; then
    corpora=$build/corpus extent=(-max_total_time="$FUZZ_SECONDS")
else
    corpora=$TT_SCRATCH extent=(-runs=2000 -seed=1)
fi
echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
    clang -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null || { echo "clang has no libFuzzer" && exit 77; }
. tools/mpienv.sh
log=$(mktemp) # the build says nothing if it goes well
env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make --no-print-directory BUILD="$TT_BUILD" fuzz-build >"$log" 2>&1 ||
    { cat "$log" && exit 1; }
rm "$log"

export OMPI_MCA_ess_singleton_isolated=1 ASAN_OPTIONS=fast_unwind_on_malloc=0:quarantine_size_mb=64
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
fuzz() { # target
    local corpus=$corpora/$1 status=ok
    mkdir -p "$corpus" "$build/from/$1" "$build/found"
    "$build/seeds" "$1" "$build/from/$1"
    if [ "$1" = config ]; then cp configs/*.yaml "$build/from/$1"; fi
    "$build/fuzz_$1" "${extent[@]}" -timeout=10 -rss_limit_mb=768 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="$build/found/$1-" "$corpus" "$build/from/$1" >"$build/$1.log" 2>&1 || status=FAILED
    if [ "$status" = ok ]; then
        echo "$1: $(sed -n 's/.*executed_units: *//p' "$build/$1.log") inputs, nothing found"
    else
        echo "$1: FAILED, see $build/$1.log" && tail -n 30 "$build/$1.log"
    fi
    [ "$status" = ok ]
}
failed=0
for pair in "audio tar" "csv config"; do
    read -r first second <<<"$pair"
    fuzz "$first" &
    fuzz "$second" || failed=1
    wait $! || failed=1
done
exit $failed
