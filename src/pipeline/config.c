#include "tutti/config.h"

#include "settings.h"
#include "tutti/log.h"
#include "tutti/memory.h"
#include "yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t file_bytes_max = 1 << 20;

/* Rank 0 reads; everybody gets the text. */
static tt_status read_everywhere(const tt_comm *comm, const char *path, char **text, int64_t *n)
{
    tt_status s = TT_OK;
    char *read = NULL;
    *n = 0;
    if (comm->rank == 0) {
        FILE *f = fopen(path, "rb");
        if (!f) s = tt_fail_errno("open the config file", path);
        if (s == TT_OK) s = tt_alloc(file_bytes_max + 1, 1, "the config file", &read);
        if (s == TT_OK) *n = (int64_t)fread(read, 1, (size_t)file_bytes_max + 1, f);
        if (s == TT_OK && ferror(f)) s = tt_fail_errno("read the config file", path);
        if (s == TT_OK && *n > file_bytes_max)
            s = tt_fail(TT_ERR_CONFIG, "%s: larger than 1 MiB; not a config file", path);
        if (f) fclose(f);
    }
    s = tt_agree(comm, s);
    if (s == TT_OK) *n = tt_max_i64(comm, *n);
    if (s == TT_OK && comm->rank != 0) s = tt_alloc(*n + 1, 1, "the config file", &read);
    if (s == TT_OK) s = tt_agree(comm, s);
    if (s != TT_OK) {
        free(read);
        return s;
    }
    *text = read;
    return tt_broadcast(comm, read, *n, 0);
}

static tt_status apply_set(const char *set, char **value, char **where)
{
    char path[128];
    const char *equals = strchr(set, '=');
    if (!equals || equals == set || (size_t)(equals - set) >= sizeof path)
        return tt_fail(TT_ERR_USAGE, "--set %s: expected key.sub=value, such as --set model.latent_dim=16",
                       set);
    snprintf(path, sizeof path, "%.*s", (int)(equals - set), set);
    int i = setting_find(path);
    if (i < 0) {
        char names[512];
        char *dot = strrchr(path, '.');
        if (dot) *dot = '\0';
        const char *section = dot && setting_is_section(path) ? path : "";
        setting_names(section, names, sizeof names);
        return tt_fail(TT_ERR_CONFIG, "--set %s: unknown setting; known %s%s: %s", set,
                       section[0] ? "below " : "at the top", section, names);
    }
    free(value[i]);
    free(where[i]);
    TT_TRY(tt_copy_text(equals + 1, &value[i]));
    return tt_format(&where[i], "--set ");
}

static tt_status name_lines(const char *path, const int *line, char **where)
{
    for (int i = 0; i < n_settings; i++)
        if (line[i] > 0) TT_TRY(tt_format(&where[i], "%s line %d: ", path, line[i]));
    return TT_OK;
}

static tt_status store_all(char **value, char **where, tt_config *config)
{
    for (int i = 0; i < n_settings; i++) {
        TT_TRY(setting_store(&settings[i], value[i], where[i] ? where[i] : "", config));
        if (settings[i].offset == NOWHERE && strcmp(value[i], settings[i].initial) != 0 && tt_log_rank() == 0)
            tt_warn("%s%s: no stage of this version uses it", where[i] ? where[i] : "", settings[i].path);
    }
    tt_train_settle(&config->model, &config->train);
    return settings_check(config);
}

/* The layers: defaults, file, --set. where[i] tells which of them gave a value. */
static tt_status layers(const tt_comm *comm, const char *path, const char *const *sets, int n_sets,
                        char **value, char **where)
{
    for (int i = 0; i < n_settings; i++) TT_TRY(tt_copy_text(settings[i].initial, &value[i]));
    if (path) {
        int *line = NULL;
        char *text = NULL;
        int64_t n = 0;
        tt_status s = read_everywhere(comm, path, &text, &n);
        if (s == TT_OK) s = tt_alloc(n_settings, sizeof *line, "the settings", &line);
        if (s == TT_OK) s = yaml_read(path, text, (size_t)n, value, line);
        if (s == TT_OK) s = name_lines(path, line, where);
        free(text);
        free(line);
        TT_TRY(s);
    }
    for (int i = 0; i < n_sets; i++) TT_TRY(apply_set(sets[i], value, where));
    return TT_OK;
}

tt_status tt_config_load(const tt_comm *comm, const char *path, const char *const *sets, int n_sets,
                         tt_config **out)
{
    tt_config *config = NULL;
    char **where = NULL;
    tt_status s = tt_alloc(1, sizeof *config, "the settings", &config);
    if (s == TT_OK) s = tt_alloc(n_settings, sizeof(char *), "the settings", &config->values);
    if (s == TT_OK) s = tt_alloc(n_settings, sizeof(char *), "the settings", &where);
    s = tt_agree(comm, s);
    if (s == TT_OK) s = layers(comm, path, sets, n_sets, config->values, where);
    if (s == TT_OK) s = store_all(config->values, where, config);
    s = tt_agree(comm, s);
    for (int i = 0; where && i < n_settings; i++) free(where[i]);
    free(where);
    if (s != TT_OK) {
        tt_config_free(config);
        config = NULL;
    }
    *out = config;
    return s;
}

void tt_config_free(tt_config *config)
{
    if (!config) return;
    for (int i = 0; i < n_settings; i++) {
        const setting *s = &settings[i];
        if (SETTING_HAS_TEXT(s)) free(*(char **)((char *)config + s->offset));
        if (config->values) free(config->values[i]);
    }
    free(config->values);
    free(config);
}

static bool wanted(const char *path, const char *prefixes)
{
    for (const char *p = prefixes; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        size_t n = strcspn(p, ",");
        if (strncmp(path, p, n) == 0) return true;
    }
    return !prefixes;
}

/* Print `path: value` below the sections that are open, opening those that are not. */
static void print_setting(FILE *to, const setting *s, const char *value, char open[128])
{
    size_t same = 0; /* bytes of the path whose sections are open already */
    int depth = 0;
    const char *path = s->path;
    for (const char *dot; (dot = strchr(path + same, '.')) != NULL; depth++) {
        size_t n = (size_t)(dot - path) + 1;
        if (strncmp(open, path, n) != 0)
            fprintf(to, "%*s%.*s:\n", 2 * depth, "", (int)(dot - path - (long)same), path + same);
        same = n;
    }
    snprintf(open, 128, "%s", path);
    fprintf(to, "%*s%s: ", 2 * depth, "", path + same);
    if (s->kind != SETTING_TEXT) {
        fprintf(to, "%s\n", value);
        return;
    }
    fputc('\'', to);
    for (const char *c = value; *c; c++) fputs(*c == '\'' ? "''" : (char[]){*c, '\0'}, to);
    fputs("'\n", to);
}

/* The value as text, or the number that its word was settled to; `text` may hold the result. */
static const char *settled(const tt_config *config, int i, char text[32])
{
    const setting *s = &settings[i];
    bool whole = s->kind == SETTING_COUNT;
    if ((!whole && s->kind != SETTING_AUTO) || strcmp(config->values[i], s->choices) != 0)
        return config->values[i];
    const void *at = (const char *)config + s->offset;
    double number = whole ? *(const int *)at : *(const double *)at;
    if (number <= 0) return config->values[i];
    snprintf(text, 32, "%.10g", number);
    return text;
}

static tt_status print_settings(const tt_config *config, const char *prefixes, bool given, char **out)
{
    size_t n;
    char open[128] = "", number[32];
    FILE *to = open_memstream(out, &n);
    if (!to) return tt_fail(TT_ERR_MEMORY, "no memory for the settings as text");
    for (int i = 0; i < n_settings; i++) {
        if (!wanted(settings[i].path, prefixes)) continue;
        print_setting(to, &settings[i], given ? config->values[i] : settled(config, i, number), open);
    }
    if (fclose(to) != 0) return tt_fail(TT_ERR_MEMORY, "no memory for the settings as text");
    return TT_OK;
}

tt_status tt_config_text(const tt_config *config, const char *prefixes, char **out)
{
    return print_settings(config, prefixes, false, out);
}

tt_status tt_config_given(const tt_config *config, char **out)
{
    return print_settings(config, NULL, true, out);
}
