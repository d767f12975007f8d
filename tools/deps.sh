#!/usr/bin/env bash
# deps.sh [GROUP...]: see that what Tutti needs is there; install what is missing with apt where that is allowed (root,
# or sudo without a password), otherwise print the lines for apt, dnf and Spack and exit 1.
# Groups: build plots test slurm (all of them by default), bench; 'try-GROUP' is tried and never insisted on.
set -u
cd "$(dirname "$0")/.." || exit 1

clang_runtime() { # the package of sanitizers and libFuzzer that goes with the clang of this machine
    local version
    version=$(clang -dumpversion 2>/dev/null || apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-//p')
    version=${version:-14}
    echo "libclang-rt-${version%%.*}-dev"
}

# group | how it is found | variable of the Makefile | apt | dnf | spack
# Found by: command NAME, fuzzer COMPILER (it links libFuzzer), module NAME of /usr/bin/python3, or package NAME (pkg-config)
# | header (in VARIABLE/include or where the compiler looks).
table() {
    cat <<ROWS
build|command gcc||gcc|gcc|gcc
build|command pkg-config||pkg-config|pkgconf-pkg-config|pkgconf
build|header stdlib.h||libc6-dev|glibc-devel|
build|command mpirun||openmpi-bin|openmpi|openmpi
build|package ompi-c mpi.h|MPI_DIR|libopenmpi-dev|openmpi-devel|openmpi
build|package hdf5-openmpi hdf5.h|HDF5_DIR|libhdf5-openmpi-dev|hdf5-openmpi-devel|hdf5+mpi
build|package fftw3f fftw3.h|FFTW_DIR|libfftw3-dev|fftw-devel|fftw
build|package fftw3 fftw3.h|FFTW_DIR|libfftw3-dev|fftw-devel|fftw
build|package scalapack-openmpi -|SCALAPACK_DIR|libscalapack-openmpi-dev|scalapack-openmpi-devel|netlib-scalapack
build|package openblas cblas.h|OPENBLAS_DIR|libopenblas-serial-dev|openblas-devel|openblas
build|package sndfile sndfile.h|SNDFILE_DIR|libsndfile1-dev|libsndfile-devel|libsndfile
build|package soxr soxr.h|SOXR_DIR|libsoxr-dev|soxr-devel|soxr
build|package libarchive archive.h|ARCHIVE_DIR|libarchive-dev|libarchive-devel|libarchive
build|package libcyaml cyaml/cyaml.h|CYAML_DIR|libcyaml-dev|libcyaml-devel|libcyaml
build|package yaml-0.1 yaml.h|YAML_DIR|libyaml-dev|libyaml-devel|libyaml
build|package jansson jansson.h|JANSSON_DIR|libjansson-dev|jansson-devel|jansson
build|package libxxhash xxhash.h|XXHASH_DIR|libxxhash-dev|xxhash-devel|xxhash
build|package random123 Random123/philox.h|RANDOM123_DIR|librandom123-dev|Random123-devel|random123
build|package icu-uc unicode/ubrk.h|ICU_DIR|libicu-dev|libicu-devel|icu4c
build|package libstemmer libstemmer.h|STEMMER_DIR|libstemmer-dev|libstemmer-devel|
build|package dnnl dnnl.h|DNNL_DIR|libdnnl-dev|onednn-devel|onednn
build|package cld2 cld2/public/encodings.h|CLD2_DIR|libcld2-dev|cld2-devel|
plots|command gnuplot||gnuplot-nox|gnuplot|gnuplot
plots|command fc-list||fontconfig|fontconfig|fontconfig
plots|file /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf||fonts-dejavu-core|dejavu-sans-fonts|
test|package cmocka cmocka.h|CMOCKA_DIR|libcmocka-dev|libcmocka-devel|cmocka
test|command h5diff||hdf5-tools|hdf5|hdf5+mpi
test|command pgrep||procps|procps-ng|
test|command clang||clang|clang|llvm
test|fuzzer clang||$(clang_runtime)|compiler-rt|llvm
test|command clang-tidy||clang-tidy|clang-tools-extra|llvm
test|command clang-format||clang-format|clang-tools-extra|llvm
test|command cppcheck||cppcheck|cppcheck|cppcheck
test|command shellcheck||shellcheck|ShellCheck|shellcheck
slurm|command slurmctld||slurmctld|slurm-slurmctld|slurm
slurm|command slurmd||slurmd|slurm-slurmd|slurm
slurm|command sbatch||slurm-client|slurm|slurm
slurm|command munged||munge|munge|munge
slurm|package pmix pmix.h||libpmix-dev|pmix-devel|pmix
slurm|command ip||iproute2|iproute|
slurm|command ps||procps|procps-ng|
bench|module h5py||python3-h5py|python3-h5py|
bench|module sklearn||python3-sklearn|python3-scikit-learn|
bench|module fastcluster||python3-fastcluster||
bench|module torchaudio||python3-torchaudio||
ROWS
}

PATH=$PATH:/usr/sbin:/sbin

# A library needs no package manager where the Makefile's variable names it or the compiler finds its header.
found() { # how name header variable
    case $1 in
    command) command -v "$2" >/dev/null ;;
    file) [ -e "$2" ] || ! command -v dpkg >/dev/null ;;
    fuzzer) echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | "$2" -fsanitize=fuzzer -x c -o /dev/null - 2>/dev/null ;;
    module) /usr/bin/python3 -c "from importlib.util import find_spec as find; exit(find('$2') is None)" 2>/dev/null ;;
    header) echo "#include <$2>" | "${CC:-gcc}" -E - >/dev/null 2>&1 ;;
    package)
        [ -n "$4" ] && [ -d "${!4:-}" ] && return 0
        pkg-config --exists "$2" 2>/dev/null && return 0
        # Debian's multi-arch folders hold headers of packages that pkg-config does not know
        [ "$3" != - ] && echo "#include <$3>" | "${CC:-gcc}" -E - >/dev/null 2>&1
        ;;
    esac
}

missing() { # group column: the packages of the group that are not there
    table | while IFS='|' read -r group probe variable apt dnf spack; do
        [ "$group" = "$1" ] || continue
        read -r how name header <<<"$probe"
        found "$how" "$name" "${header:--}" "$variable" || echo "$apt|$dnf|$spack"
    done
}

column() { # number: that column of the missing packages, on one line
    cut -d '|' -f "$1" | grep . | sort -u | tr '\n' ' ' | sed 's/ $//'
}

run_apt() {
    local sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo -n)
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive "$@"
}

may_apt() {
    command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

install_missing() { # rows
    local packages
    read -ra packages <<<"$(column 1 <<<"$1")"
    echo "deps: installing ${packages[*]}"
    local install=(apt-get install -y -qq --no-install-recommends "${packages[@]}")
    # a machine that was never updated knows no packages; one that was need not be asked again
    run_apt "${install[@]}" >/dev/null 2>&1 || { run_apt apt-get update -qq && run_apt "${install[@]}" >/dev/null; }
}

advise() { # rows
    {
        echo "deps: missing, and apt cannot be used here (not root, no sudo without a password, or no apt). One of:"
        echo "  apt:   sudo apt-get install -y --no-install-recommends $(column 1 <<<"$1")"
        echo "  dnf:   sudo dnf install -y $(column 2 <<<"$1")"
        echo "  Spack: spack env activate tools && spack install   (tools/spack.yaml; adds $(column 3 <<<"$1"))"
        grep -q 'cld2\|stemmer' <<<"$1" && echo "         and for libstemmer and CLD2, which Spack has not, as tools/spack.yaml says"
    } >&2
}

[ $# -gt 0 ] || set -- build plots test slurm
required=() optional=()
for group in "$@"; do
    case $group in
    build | plots | test | slurm | bench) required+=("$group") ;;
    try-slurm | try-bench) optional+=("${group#try-}") ;;
    *)
        echo "deps: no group '$group'; there are build, plots, test, slurm, bench" >&2
        exit 2
        ;;
    esac
done

rows=$(for group in "${required[@]}"; do missing "$group"; done)
wish=$(for group in "${optional[@]}"; do missing "$group"; done)
if may_apt; then
    [ -z "$rows" ] || install_missing "$rows" || exit 1
    [ -z "$wish" ] || install_missing "$wish" || echo "deps: going on without"
elif [ -n "$rows" ]; then
    advise "$rows"
    exit 1
fi
