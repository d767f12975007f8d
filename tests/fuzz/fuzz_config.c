/* The config reader: any bytes as a YAML file; behind a NUL, each up to the next NUL, as values of --set.
 * Settings that load must be written as YAML that loads to the same. */
#include "fuzz.h"

#include "tutti/config.h"

enum { SETS_MAX = 4 };

static void check_round_trip(const tt_comm *self, const tt_config *config)
{
    char *text, *again;
    tt_config *loaded;
    must(tt_config_text(config, NULL, &text) == TT_OK);
    must(tt_config_load(self, as_file((const uint8_t *)text, strlen(text)), NULL, 0, &loaded) == TT_OK);
    must(tt_config_text(loaded, NULL, &again) == TT_OK);
    must(strcmp(text, again) == 0);
    tt_config_free(loaded);
    free(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tt_comm self = alone();
    const uint8_t *end = memchr(data, '\0', n);
    size_t file = end ? (size_t)(end - data) : n;
    char *text = calloc(n + 1, 1);
    const char *sets[SETS_MAX];
    int n_sets = 0;
    must(text != NULL);
    memcpy(text, data, n);
    for (size_t at = file + 1; at < n && n_sets < SETS_MAX; at += strlen(text + at) + 1)
        sets[n_sets++] = text + at;
    tt_config *config;
    tt_status s = tt_config_load(&self, as_file(data, file), sets, n_sets, &config);
    must(s == TT_OK || s == TT_ERR_CONFIG || s == TT_ERR_USAGE);
    must((config != NULL) == (s == TT_OK));
    if (config) check_round_trip(&self, config);
    tt_config_free(config);
    free(text);
    return 0;
}
