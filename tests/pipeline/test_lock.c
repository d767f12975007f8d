/* The lock of a run directory: whose it is, and when it is taken over. */
#include "test.h"

#include "pipeline/lock.h"
#include "tutti/signal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *lock_path(void)
{
    static char name[64];
    snprintf(name, sizeof name, "lock-%d", world.rank); /* each rank plays with its own */
    return scratch(name);
}

static void write_holder(const char *path, const char *host, long pid, const char *job, long attempt)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%s %ld %s %ld 1.0\n", host, pid, job, attempt);
    fclose(f);
}

static long dead_pid(void)
{
    pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
    return child;
}

static void takes(const char *path)
{
    lock *l;
    assert_ok(lock_take(path, &l));
    lock_drop(l);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_nobody_has_it(void **state)
{
    (void)state;
    takes(lock_path());
}

static void test_holder_is_dead(void **state)
{
    (void)state;
    char host[64] = "";
    const char *path = lock_path();
    gethostname(host, sizeof host - 1);
    write_holder(path, host, dead_pid(), "-", 0);
    takes(path);
}

static void test_holder_is_silent(void **state)
{
    (void)state;
    const char *path = lock_path();
    write_holder(path, "elsewhere", 1, "-", 0);
    struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    takes(path);
}

static void test_holder_was_requeued(void **state)
{
    (void)state;
    const char *path = lock_path();
    write_holder(path, "elsewhere", 1, "77", 0);
    setenv("SLURM_JOB_ID", "77", 1);
    setenv("SLURM_RESTART_COUNT", "1", 1);
    takes(path);
    unsetenv("SLURM_JOB_ID");
    unsetenv("SLURM_RESTART_COUNT");
}

/* Whoever took it over keeps it: the old holder's drop leaves the file alone. */
static void test_lost_is_not_removed(void **state)
{
    (void)state;
    const char *path = lock_path();
    lock *l;
    assert_ok(lock_take(path, &l));
    write_holder(path, "elsewhere", 1, "-", 0);
    lock_drop(l);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
}

/* In a process of its own: once disowned, it stays so. */
static void test_lost_is_told(void **state)
{
    (void)state;
    const char *path = lock_path();
    pid_t child = fork();
    if (child == 0) {
        lock *l;
        if (lock_take(path, &l) != TT_OK || tt_stop_asked()) _exit(1);
        write_holder(path, "elsewhere", 1, "-", 0);
        for (int tenths = 0; tenths < 100 && !tt_stop_asked(); tenths++) usleep(100000);
        _exit(tt_stop_status() == TT_ERR_IO ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    unlink(path);
}

/* Killed between making the file and writing it, or on a disk that was full. */
static void test_holder_is_unknown(void **state)
{
    (void)state;
    const char *path = lock_path();
    fclose(fopen(path, "w"));
    struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    takes(path);
}

static void test_leftovers_are_swept(void **state)
{
    (void)state;
    char left[512];
    const char *path = lock_path();
    snprintf(left, sizeof left, "%s.1234.now", path);
    write_holder(left, "elsewhere", 1, "-", 0);
    takes(path);
    assert_int_equal(access(left, F_OK), -1);
}

static void test_cannot_be_written(void **state)
{
    (void)state;
    lock *l;
    assert_int_equal(lock_take("/nowhere/run.lock", &l), TT_ERR_IO);
    assert_null(l);
    assert_non_null(strstr(tt_message(), "/nowhere/run.lock"));
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(test_nobody_has_it),       cmocka_unit_test(test_holder_is_dead),
    cmocka_unit_test(test_holder_is_silent),    cmocka_unit_test(test_holder_was_requeued),
    cmocka_unit_test(test_lost_is_not_removed), cmocka_unit_test(test_lost_is_told),
    cmocka_unit_test(test_holder_is_unknown),   cmocka_unit_test(test_leftovers_are_swept),
    cmocka_unit_test(test_cannot_be_written),
};
TT_TEST_MAIN(cases)
