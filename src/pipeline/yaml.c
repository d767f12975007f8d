#include "yaml.h"

#include "settings.h"
#include "tutti/memory.h"

#include <cyaml/cyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { PATH_BYTES = 128, DEPTH_MAX = 8, SECTIONS_MAX = 32, FIELDS_MAX = 24 };

/* ---- where things stand: libcyaml reports the line of a mapping, libyaml that of each key ---- */

typedef struct cursor {
    char path[DEPTH_MAX][PATH_BYTES]; /* of the mapping at each depth */
    char key[DEPTH_MAX][PATH_BYTES];  /* its key that awaits a value, "" if a key comes next */
    int depth;                        /* mappings entered */
    int lists;                        /* sequences entered */
    bool *listed;                     /* [n_settings] whose value is a sequence */
} cursor;

static tt_status unknown_key(const char *file, const char *path, int line)
{
    char section[PATH_BYTES], names[512];
    snprintf(section, sizeof section, "%.*s", PATH_BYTES - 1, path);
    char *dot = strrchr(section, '.');
    *(dot ? dot : section) = '\0';
    setting_names(section, names, sizeof names);
    return tt_fail(TT_ERR_CONFIG, "%s line %d: %s: unknown setting; known here: %s", file, line, path, names);
}

static tt_status take_key(const char *file, cursor *c, const char *word, int line, int *lines)
{
    char path[2 * PATH_BYTES];
    const char *section = c->path[c->depth - 1];
    snprintf(path, sizeof path, "%s%s%s", section, section[0] ? "." : "", word);
    int i = setting_find(path);
    if (strlen(path) >= PATH_BYTES || (i < 0 && !setting_is_section(path)))
        return unknown_key(file, path, line);
    if (i >= 0) lines[i] = line;
    snprintf(c->key[c->depth - 1], PATH_BYTES, "%.*s", PATH_BYTES - 1, path);
    return TT_OK;
}

static tt_status enter_mapping(const char *file, cursor *c, int line)
{
    if (c->depth == DEPTH_MAX) return tt_fail(TT_ERR_CONFIG, "%s line %d: nested too deep", file, line);
    char *path = c->path[c->depth], *key = c->depth > 0 ? c->key[c->depth - 1] : NULL;
    if (key && !setting_is_section(key))
        return tt_fail(TT_ERR_CONFIG, "%s line %d: %s: expected a value, not a mapping", file, line, key);
    snprintf(path, PATH_BYTES, "%s", key ? key : "");
    c->key[c->depth][0] = '\0';
    c->depth++;
    return TT_OK;
}

static tt_status take_event(const char *file, cursor *c, const yaml_event_t *e, int *lines)
{
    int line = (int)e->start_mark.line + 1;
    char *key = c->depth > 0 ? c->key[c->depth - 1] : NULL;
    switch (e->type) {
    case YAML_MAPPING_START_EVENT:
        return enter_mapping(file, c, line);
    case YAML_MAPPING_END_EVENT:
        c->depth--;
        if (c->depth > 0) c->key[c->depth - 1][0] = '\0';
        return TT_OK;
    case YAML_SEQUENCE_START_EVENT:
        if (c->lists++ == 0 && key && setting_find(key) >= 0) c->listed[setting_find(key)] = true;
        return TT_OK;
    case YAML_SEQUENCE_END_EVENT:
        c->lists--;
        if (c->lists == 0 && key) key[0] = '\0';
        return TT_OK;
    case YAML_SCALAR_EVENT:
        if (c->lists > 0 || !key) return TT_OK;
        if (!key[0]) return take_key(file, c, (const char *)e->data.scalar.value, line, lines);
        key[0] = '\0';
        return TT_OK;
    default:
        return TT_OK;
    }
}

static tt_status find_lines(const char *file, const char *text, size_t n, int *lines, bool *listed)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) return tt_fail(TT_ERR_MEMORY, "no memory to read %s", file);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
    cursor c = {.listed = listed};
    tt_status s = TT_OK;
    for (bool end = false; s == TT_OK && !end;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            s = tt_fail(TT_ERR_CONFIG, "%s line %d: not YAML: %s", file, (int)parser.problem_mark.line + 1,
                        parser.problem ? parser.problem : "broken text");
            break;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        s = take_event(file, &c, &event, lines);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return s;
}

/* ---- the values, by libcyaml, with a schema made from the table ---- */

/* Where libcyaml puts one setting. */
typedef struct slot {
    char *text;
    char **item;
    uint32_t n_items;
} slot;

typedef struct section {
    char path[PATH_BYTES];
    cyaml_schema_field_t field[FIELDS_MAX + 1];
    int n;
} section;

typedef struct schema {
    section section[SECTIONS_MAX];
    int n;
} schema;

static const cyaml_schema_value_t text_item = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, 4096)};

static section *section_of(schema *all, const char *path);

static cyaml_schema_field_t *add_field(section *in, const char *key)
{
    cyaml_schema_field_t *f = &in->field[in->n++];
    f->key = key;
    f->value.flags = CYAML_FLAG_OPTIONAL;
    return f;
}

/* The section of a path, made with a field in its parent if it is new. The slots of all settings lie in one
 * array, so the fields of nested mappings are given offsets from its start: a mapping's own offset is 0. */
static section *section_of(schema *all, const char *path)
{
    for (int i = 0; i < all->n; i++)
        if (strcmp(all->section[i].path, path) == 0) return &all->section[i];
    section *made = &all->section[all->n++];
    snprintf(made->path, sizeof made->path, "%s", path);
    if (path[0]) {
        char up[PATH_BYTES];
        snprintf(up, sizeof up, "%s", path);
        char *dot = strrchr(up, '.');
        *(dot ? dot : up) = '\0';
        cyaml_schema_field_t *f = add_field(section_of(all, up), made->path + (dot ? dot - up + 1 : 0));
        f->value.type = CYAML_MAPPING;
        f->value.data_size = (uint32_t)n_settings * (uint32_t)sizeof(slot);
        f->value.mapping.fields = made->field;
    }
    return made;
}

/* @param listed  what the file has a sequence for: a range may be one */
static void make_schema(schema *all, const bool *listed)
{
    section_of(all, "");
    for (int i = 0; i < n_settings; i++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s", settings[i].path);
        char *dot = strrchr(path, '.');
        *(dot ? dot : path) = '\0';
        cyaml_schema_field_t *f =
            add_field(section_of(all, path), settings[i].path + (dot ? dot - path + 1 : 0));
        uint32_t base = (uint32_t)i * (uint32_t)sizeof(slot);
        f->value.flags = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER;
        if (SETTING_IS_LIST(&settings[i]) || (settings[i].kind == SETTING_RANGE && listed[i])) {
            f->data_offset = base + (uint32_t)offsetof(slot, item);
            f->count_offset = base + (uint32_t)offsetof(slot, n_items);
            f->count_size = sizeof(uint32_t);
            f->value.type = CYAML_SEQUENCE;
            f->value.data_size = sizeof(char *);
            f->value.sequence.entry = &text_item;
            f->value.sequence.min = settings[i].kind == SETTING_WORDS; /* an empty one looks like none */
            f->value.sequence.max = 64;
        } else {
            f->data_offset = base + (uint32_t)offsetof(slot, text);
            f->value.type = CYAML_STRING;
            f->value.data_size = sizeof(char);
            f->value.string.max = 4096;
        }
    }
}

/* libcyaml's first line is the problem; the first "(line: N" of its backtrace is where. */
typedef struct complaint {
    char problem[256];
    char field[PATH_BYTES];
    int line;
} complaint;

static void listen(cyaml_log_t level, void *context, const char *format, va_list args)
{
    (void)level;
    complaint *c = context;
    char text[512];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    const char *line = strstr(text, "(line: "), *field = strstr(text, "field '");
    if (!c->problem[0])
        snprintf(c->problem, sizeof c->problem, "%.250s", text + (strncmp(text, "Load: ", 6) ? 0 : 6));
    if (line && c->line == 0) c->line = atoi(line + 7);
    if (field && !c->field[0])
        snprintf(c->field, sizeof c->field, "%.*s", (int)strcspn(field + 7, "'"), field + 7);
}

static tt_status join(const slot *s, char **out)
{
    char text[1024] = "[";
    size_t at = 1;
    for (uint32_t i = 0; i < s->n_items && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i > 0 ? ", " : "", s->item[i]);
    if (at + 2 > sizeof text) return tt_fail(TT_ERR_CONFIG, "a list is too long");
    memcpy(text + at, "]", 2);
    return tt_copy_text(text, out);
}

static tt_status take_slots(const slot *slots, char **value)
{
    for (int i = 0; i < n_settings; i++) {
        char *taken = NULL;
        if (slots[i].text)
            TT_TRY(tt_copy_text(slots[i].text, &taken));
        else if (slots[i].item)
            TT_TRY(join(&slots[i], &taken));
        if (!taken) continue;
        free(value[i]);
        value[i] = taken;
    }
    return TT_OK;
}

static tt_status load(const char *file, const char *text, size_t n, schema *all, char **value)
{
    complaint heard = {.line = 0};
    cyaml_config_t config = {
        .log_fn = listen, .log_ctx = &heard, .mem_fn = cyaml_mem, .log_level = CYAML_LOG_WARNING};
    cyaml_schema_value_t top = {.type = CYAML_MAPPING,
                                .flags = CYAML_FLAG_POINTER,
                                .data_size = (uint32_t)n_settings * (uint32_t)sizeof(slot),
                                .mapping = {.fields = all->section[0].field}};
    slot *slots = NULL;
    cyaml_err_t error =
        cyaml_load_data((const uint8_t *)text, n, &config, &top, (cyaml_data_t **)&slots, NULL);
    if (error != CYAML_OK)
        return tt_fail(TT_ERR_CONFIG, "%s line %d: %s%s%s", file, heard.line > 0 ? heard.line : 1,
                       heard.field, heard.field[0] ? ": " : "",
                       heard.problem[0] ? heard.problem : cyaml_strerror(error));
    if (!slots) return TT_OK; /* an empty file: the defaults */
    tt_status s = take_slots(slots, value);
    cyaml_free(&config, &top, slots, 0);
    return s;
}

tt_status yaml_read(const char *file, const char *text, size_t n, char **value, int *line)
{
    bool *listed = NULL;
    schema *all = NULL;
    tt_status s = tt_alloc(n_settings, sizeof *listed, "the settings", &listed);
    if (s == TT_OK) s = tt_alloc(1, sizeof *all, "the settings", &all);
    if (s == TT_OK) s = find_lines(file, text, n, line, listed);
    if (s == TT_OK) {
        make_schema(all, listed);
        s = load(file, text, n, all, value);
    }
    free(all);
    free(listed);
    return s;
}
