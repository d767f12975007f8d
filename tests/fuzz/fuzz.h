/* What the fuzz targets share: bytes as a file, MPI of one rank, and a promise that a broken one ends the
 * run. */
#ifndef TUTTI_TESTS_FUZZ_H
#define TUTTI_TESTS_FUZZ_H

#include "tutti/comm.h"
#include "tutti/log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/** End the run, keeping its input, where what must hold does not. */
#define must(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: does not hold: %s; message: %s\n", __FILE__, __LINE__, #condition,       \
                    tt_message());                                                                           \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE};
    MPI_Init(argc, argv);
    for (int i = 0; i < 4; i++)
        signal(crashes[i], SIG_DFL); /* Open MPI's handlers would keep the input from being kept */
    tt_log_setup(TT_LOG_ERROR, 0);
    return 0;
}

/** One rank. */
static inline tt_comm alone(void)
{
    return tt_comm_wrap(MPI_COMM_SELF);
}

/** The bytes as a file in memory, the same one every time; its path. */
static inline const char *as_file(const uint8_t *data, size_t n)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) fd = memfd_create("input", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    must(ftruncate(fd, 0) == 0);
    for (size_t at = 0; at < n;) {
        ssize_t written = pwrite(fd, data + at, n - at, (off_t)at);
        must(written > 0);
        at += (size_t)written;
    }
    return path;
}

#endif
