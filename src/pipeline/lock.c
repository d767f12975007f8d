#include "lock.h"

#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/timer.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HOLDER_BYTES = 256, TOUCH_SECONDS = 5, STALE_SECONDS = 60 };

struct lock {
    char *path;
    char holder[HOLDER_BYTES]; /* what the file says while it is ours */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool ending;
    atomic_bool lost;
};

typedef struct holder {
    char host[64], job[32], attempt[32];
    long pid;
} holder;

static const char *env_or(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && value[0] ? value : otherwise;
}

/* "HOST PID JOB ATTEMPT TIME": the time makes two locks of one process differ. */
static void describe_self(char text[HOLDER_BYTES])
{
    char host[64] = "unknown";
    gethostname(host, sizeof host - 1);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(text, HOLDER_BYTES, "%s %ld %.31s %.31s %lld.%09ld\n", host, (long)getpid(),
             env_or("SLURM_JOB_ID", "-"), env_or("SLURM_RESTART_COUNT", "0"), (long long)now.tv_sec,
             now.tv_nsec);
}

/* The text of the lock file, false if there is none. */
static bool read_lock(const char *path, char text[HOLDER_BYTES])
{
    memset(text, 0, HOLDER_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool got = read(fd, text, HOLDER_BYTES - 1) >= 0;
    close(fd);
    return got;
}

/* Seconds since the file was touched, by the clock of its own file system. */
static double age_of(const char *path)
{
    char *probe;
    struct stat lock_stat, now_stat;
    double age = 0;
    if (tt_format(&probe, "%s.%ld.now", path, (long)getpid()) != TT_OK) return 0;
    int fd = open(probe, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
    if (fd >= 0 && fstat(fd, &now_stat) == 0 && stat(path, &lock_stat) == 0)
        age = difftime(now_stat.st_mtime, lock_stat.st_mtime);
    if (fd >= 0) close(fd);
    unlink(probe);
    free(probe);
    return age;
}

static bool is_stale(const char *path, const holder *h)
{
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    if (strcmp(host, h->host) == 0 && kill((pid_t)h->pid, 0) != 0 && errno == ESRCH) return true;
    const char *job = env_or("SLURM_JOB_ID", "-");
    if (strcmp(job, "-") != 0 && strcmp(job, h->job) == 0 &&
        atol(env_or("SLURM_RESTART_COUNT", "0")) > atol(h->attempt))
        return true;
    return age_of(path) > STALE_SECONDS;
}

/* Create the file with its text in one step: TT_OK, or TT_STOPPED if somebody has it. */
static tt_status try_create(const lock *l)
{
    char *draft;
    TT_TRY(tt_format(&draft, "%s.%ld", l->path, (long)getpid()));
    tt_status s = TT_OK;
    FILE *f = fopen(draft, "w");
    if (!f || fputs(l->holder, f) < 0) s = tt_fail_errno("write", draft);
    if (f && fclose(f) != 0 && s == TT_OK) s = tt_fail_errno("write", draft);
    if (s == TT_OK && link(draft, l->path) != 0)
        s = errno == EEXIST ? TT_STOPPED : tt_fail_errno("create", l->path);
    unlink(draft);
    free(draft);
    return s;
}

/* Move a stale lock aside: of several runs that try, one succeeds. */
static void move_aside(const char *path)
{
    char *aside;
    if (tt_format(&aside, "%s.%ld.stale", path, (long)getpid()) != TT_OK) return;
    if (rename(path, aside) == 0) unlink(aside);
    free(aside);
}

static tt_status wait_for_lock(lock *l)
{
    double since = tt_now(), patience = 15;
    char host[64] = "", text[HOLDER_BYTES];
    bool told = false;
    gethostname(host, sizeof host - 1);
    for (;;) {
        tt_status s = try_create(l);
        if (s != TT_STOPPED) return s;
        holder h = {.pid = 0};
        if (!read_lock(l->path, text)) continue;
        if (sscanf(text, "%63s %ld %31s %31s", h.host, &h.pid, h.job, h.attempt) == 4 &&
            is_stale(l->path, &h)) {
            move_aside(l->path);
            continue;
        }
        if (strcmp(host, h.host) != 0) patience = STALE_SECONDS + 15;
        if (tt_now() - since > patience)
            return tt_fail(TT_ERR_IO,
                           "the run directory of %s is in use by process %ld on %s; wait for it to end, or "
                           "give another --run",
                           l->path, h.pid, h.host);
        if (!told) tt_info("waiting for process %ld on %s, which holds %s", h.pid, h.host, l->path);
        told = true;
        nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    }
}

static void *keep_touching(void *arg)
{
    lock *l = arg;
    char text[HOLDER_BYTES];
    pthread_mutex_lock(&l->mutex);
    while (!l->ending) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += TOUCH_SECONDS;
        pthread_cond_timedwait(&l->wake, &l->mutex, &until);
        if (l->ending) break;
        if (read_lock(l->path, text) && strcmp(text, l->holder) == 0)
            utimensat(AT_FDCWD, l->path, NULL, 0);
        else
            atomic_store(&l->lost, true);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

tt_status lock_take(const char *path, lock **out)
{
    lock *l;
    *out = NULL;
    TT_TRY(tt_alloc(1, sizeof *l, "the lock", &l));
    describe_self(l->holder);
    tt_status s = tt_copy_text(path, &l->path);
    if (s == TT_OK) s = wait_for_lock(l);
    if (s != TT_OK) {
        free(l->path);
        free(l);
        return s;
    }
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->wake, NULL);
    sigset_t all, old; /* signals are for the thread that runs the stages */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    int error = pthread_create(&l->thread, NULL, keep_touching, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error != 0) {
        unlink(l->path);
        free(l->path);
        free(l);
        return tt_fail(TT_ERR_INTERNAL, "cannot start a thread: %s", strerror(error));
    }
    *out = l;
    return TT_OK;
}

bool lock_lost(const lock *l)
{
    return atomic_load(&l->lost);
}

void lock_drop(lock *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->mutex);
    l->ending = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->mutex);
    pthread_join(l->thread, NULL);
    char text[HOLDER_BYTES];
    if (read_lock(l->path, text) && strcmp(text, l->holder) == 0) unlink(l->path);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->mutex);
    free(l->path);
    free(l);
}
