#!/usr/bin/env bash
# The sources pass `make lint`.
# timeout: 600
set -eu
cd "$(dirname "$0")/../.."
for tool in clang-format clang-tidy cppcheck shellcheck; do
    command -v $tool >/dev/null || { echo "$tool is not installed" && exit 77; }
done
exec env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make --no-print-directory BUILD="$TT_BUILD" lint
