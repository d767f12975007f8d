#include "tutti/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CGROUPS "/sys/fs/cgroup"

/* Where the two generations of control groups tell a group's limit and what it uses. */
typedef struct generation {
    const char *mount, *limit, *used;
    const char *cache; /* in memory.stat: pages of files, which go when memory is wanted */
} generation;

static const generation first = {CGROUPS "/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                 "total_inactive_file"};
static const generation unified = {CGROUPS, "memory.max", "memory.current", "inactive_file"};

/* The number behind `word` in a file of lines "word number"; word "": the number it begins with.
 * @return -1 if there is none ("max", no such file) */
static double number_in(const char *path, const char *word)
{
    char line[256], *end;
    double number = -1;
    size_t n = strlen(word);
    FILE *f = fopen(path, "r");
    if (!f) return -1;
    while (number < 0 && fgets(line, sizeof line, f)) {
        if (strncmp(line, word, n) != 0 || (n > 0 && !strchr(" :", line[n]))) continue;
        const char *from = line + n + (n > 0);
        double value = strtod(from, &end);
        if (end > from) number = value;
    }
    fclose(f);
    return number;
}

static double number_of(const generation *g, const char *group, const char *file, const char *word)
{
    char path[1024];
    int n = snprintf(path, sizeof path, "%s%s/%s", g->mount, group, file);
    return n > 0 && (size_t)n < sizeof path ? number_in(path, word) : -1;
}

/* Bytes that a control group and those it lies in leave, if that is less than `most`. */
static double within_group(const generation *g, char *group, double most)
{
    for (char *end = group + strlen(group); end; end = strrchr(group, '/')) {
        *end = '\0';
        double limit = number_of(g, group, g->limit, ""), used = number_of(g, group, g->used, ""),
               cache = number_of(g, group, "memory.stat", g->cache);
        if (limit < 0 || used < 0) continue;
        double left = limit - used + (cache > 0 ? cache : 0);
        if (left < most) most = left > 1 ? left : 1; /* 0 would say that nothing tells */
    }
    return most;
}

double tt_memory_available(void)
{
    char line[1024];
    double kib = number_in("/proc/meminfo", "MemAvailable"), most = kib >= 0 ? kib * 1024 : 1e300;
    FILE *f = fopen("/proc/self/cgroup", "r");
    while (f && fgets(line, sizeof line, f)) { /* hierarchy:controllers:group */
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        if (strcmp(controllers, ":memory") == 0)
            most = within_group(&first, group, most);
        else if (strcmp(controllers, ":") == 0)
            most = within_group(&unified, group, most);
    }
    if (f) fclose(f);
    return most < 1e300 ? most : 0;
}
