#!/usr/bin/env bash
# `make install` gives a program that runs, and a library that a program of another project builds against.
set -eu
cd "$(dirname "$0")/../.."
root=$TT_SCRATCH/root prefix=/opt/tutti
env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make --no-print-directory BUILD="$TT_BUILD" PREFIX=$prefix DESTDIR="$root" install >/dev/null
installed=$root$prefix

version=$("$installed/bin/tutti" --version)
export PKG_CONFIG_PATH=$installed/lib/pkgconfig
[ "$version" = "tutti $(pkg-config --modversion tutti)" ] || { echo "$version is not what tutti.pc says" && exit 1; }

cat >"$TT_SCRATCH/sum.c" <<'C'
#include <tutti/comm.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    tt_comm world = tt_comm_wrap(MPI_COMM_WORLD);
    tt_range mine = tt_partition(1000, 1, world.size, world.rank);
    long long sum = 0, all;
    for (int64_t i = mine.begin; i < mine.end; i++) sum += i;
    MPI_Allreduce(&sum, &all, 1, MPI_LONG_LONG, MPI_SUM, world.mpi);
    if (world.rank == 0) printf("%lld\n", all);
    MPI_Finalize();
    return 0;
}
C
# PREFIX is where the files will be, DESTDIR where they are now: pkg-config is told of the move
read -ra flags <<<"$(pkg-config --define-variable=prefix="$installed" --cflags --libs tutti)"
gcc -Wall -Werror -o "$TT_SCRATCH/sum" "$TT_SCRATCH/sum.c" "${flags[@]}"
[ "$(mpirun -q -n 3 "$TT_SCRATCH/sum")" = 499500 ] || { echo "the program against the library is wrong" && exit 1; }

for file in share/man/man1/tutti.1 share/tutti/configs/demo.yaml share/tutti/jobs/pipeline.sbatch share/tutti/jobs/site.conf; do
    [ -s "$installed/$file" ] || { echo "$file was not installed" && exit 1; }
done
if grep -n '@[A-Z]*@' "$installed/share/man/man1/tutti.1" "$PKG_CONFIG_PATH/tutti.pc"; then exit 1; fi
# every command that the program lists has its entry in the manual, and no other
"$installed/bin/tutti" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | sort >"$TT_SCRATCH/commands"
sed -n '/^\.SH COMMANDS/,/^\.SH OPTIONS/p' tools/tutti.1 | grep -A 1 '^\.TP' | sed -n 's/^\.BI* "*\([a-z]*\).*/\1/p' | sort |
    diff "$TT_SCRATCH/commands" -
