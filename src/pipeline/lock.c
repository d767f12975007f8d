#include "lock.h"

#include "tutti/log.h"
#include "tutti/memory.h"
#include "tutti/signal.h"
#include "tutti/timer.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    HOLDER_BYTES = 256,
    TOUCH_SECONDS = 2,
    NOTICE_SECONDS = TOUCH_SECONDS + 1, /* until a holder that lives knows that it has lost */
    STALE_SECONDS = 60,
    PATIENCE_SECONDS = 15,
};

struct lock {
    char *path;
    char holder[HOLDER_BYTES]; /* what the file says while it is ours */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool ending;
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

/* The text of the lock file, "" if there is none. Returns false, with errno, if that cannot be told. */
static bool read_lock(const char *path, char text[HOLDER_BYTES])
{
    memset(text, 0, HOLDER_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT;
    bool got = read(fd, text, HOLDER_BYTES - 1) >= 0;
    close(fd);
    return got;
}

static bool is_ours(const lock *l)
{
    char text[HOLDER_BYTES];
    return read_lock(l->path, text) && strcmp(text, l->holder) == 0;
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

static bool is_dead(const holder *h)
{
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    return strcmp(host, h->host) == 0 && kill((pid_t)h->pid, 0) != 0 && errno == ESRCH;
}

/* An earlier attempt of this very SLURM job: it may live on beyond a partition of the network. */
static bool is_outdated(const holder *h)
{
    const char *job = env_or("SLURM_JOB_ID", "-");
    return strcmp(job, "-") != 0 && strcmp(job, h->job) == 0 &&
           atol(env_or("SLURM_RESTART_COUNT", "0")) > atol(h->attempt);
}

static tt_status write_file(const char *path, const char *text, int flags)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
    if (fd < 0) return errno == EEXIST ? TT_STOPPED : tt_fail_errno("create", path);
    size_t n = strlen(text);
    errno = ENOSPC; /* what a short write means */
    tt_status s = write(fd, text, n) == (ssize_t)n ? TT_OK : tt_fail_errno("write", path);
    if (close(fd) != 0 && s == TT_OK) s = tt_fail_errno("write", path);
    if (s != TT_OK) unlink(path);
    return s;
}

/* Create the file, with its text in one step where the file system knows hard links: TT_OK, or TT_STOPPED if
 * somebody has it. */
static tt_status try_create(const lock *l)
{
    char *draft;
    TT_TRY(tt_format(&draft, "%s.%ld", l->path, (long)getpid()));
    tt_status s = write_file(draft, l->holder, O_TRUNC);
    if (s == TT_OK && link(draft, l->path) != 0) {
        if (errno == EEXIST || errno == ENOENT) /* ENOENT: somebody swept the draft away */
            s = TT_STOPPED;
        else if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK)
            s = write_file(l->path, l->holder, O_EXCL);
        else
            s = tt_fail_errno("create", l->path);
    }
    unlink(draft);
    free(draft);
    return s;
}

/* Move a stale lock aside: of several runs that try, one succeeds. Where another was faster and it is a new
 * lock that has been moved, that is put back. */
static void move_aside(const char *path, const char *stale)
{
    char *aside, text[HOLDER_BYTES];
    if (tt_format(&aside, "%s.%ld.stale", path, (long)getpid()) != TT_OK) return;
    if (rename(path, aside) == 0) {
        if (read_lock(aside, text) && strcmp(text, stale) != 0 && link(aside, path) != 0)
            tt_debug("%s was moved by mistake: %s", path, strerror(errno));
        unlink(aside);
    }
    free(aside);
}

/* What a waiting run has seen of the lock. */
typedef struct watch {
    double since, changed; /* when the wait began, and when a touch was seen last */
    struct timespec touched;
    bool told;
} watch;

/* Whether nobody touches the lock: by its age, or, where clocks were set back, by watching it. */
static bool is_silent(const char *path, watch *w)
{
    struct stat st;
    if (stat(path, &st) == 0 && memcmp(&st.st_mtim, &w->touched, sizeof w->touched) != 0) {
        w->touched = st.st_mtim;
        w->changed = tt_now();
    }
    return tt_now() - w->changed > STALE_SECONDS || age_of(path) > STALE_SECONDS;
}

static tt_status wait_a_little(const lock *l, const holder *h, watch *w)
{
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    double patience = PATIENCE_SECONDS + (strcmp(host, h->host) != 0 ? STALE_SECONDS : 0);
    if (tt_now() - w->since > patience)
        return tt_fail(TT_ERR_IO,
                       "the run directory of %s is in use by process %ld on %s; wait for it to end, or "
                       "give another --run",
                       l->path, h->pid, h->host);
    if (!w->told) tt_info("waiting for process %ld on %s, which holds %s", h->pid, h->host, l->path);
    w->told = true;
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    return tt_stop_status();
}

static tt_status wait_for_lock(lock *l)
{
    watch w = {.since = tt_now(), .changed = tt_now()};
    bool outdated = false;
    for (;;) {
        tt_status s = try_create(l);
        if (s == TT_OK && outdated) nanosleep(&(struct timespec){.tv_sec = NOTICE_SECONDS}, NULL);
        if (s != TT_STOPPED) return s;
        char text[HOLDER_BYTES];
        if (!read_lock(l->path, text)) return tt_fail_errno("read", l->path);
        holder h = {.host = "a host that it does not name"};
        bool known = sscanf(text, "%63s %ld %31s %31s", h.host, &h.pid, h.job, h.attempt) == 4;
        if (known && is_outdated(&h)) outdated = true;
        if ((known && (outdated || is_dead(&h))) || is_silent(l->path, &w))
            move_aside(l->path, text);
        else
            TT_TRY(wait_a_little(l, &h, &w));
    }
}

/* What earlier runs left when they were killed while they took or looked at the lock. */
static void sweep(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder;
    if (!slash || tt_format(&folder, "%.*s", (int)(slash - path), path) != TT_OK) return;
    size_t n = strlen(slash + 1);
    DIR *dir = opendir(folder);
    for (const struct dirent *e; dir && (e = readdir(dir));)
        if (strncmp(e->d_name, slash + 1, n) == 0 && e->d_name[n] == '.') unlinkat(dirfd(dir), e->d_name, 0);
    if (dir) closedir(dir);
    free(folder);
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
        if (!read_lock(l->path, text)) continue; /* cannot be told now */
        if (strcmp(text, l->holder) == 0)
            utimensat(AT_FDCWD, l->path, NULL, 0);
        else
            tt_stop_disown();
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
    sweep(l->path);
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

void lock_drop(lock *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->mutex);
    l->ending = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->mutex);
    pthread_join(l->thread, NULL);
    if (is_ours(l)) unlink(l->path);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->mutex);
    free(l->path);
    free(l);
}
