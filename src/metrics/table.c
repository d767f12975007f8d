/* The table that people read, from a metrics.json. */
#include "metrics/internal.h"

#include <jansson.h>
#include <string.h>

/* A column: its heading, its key in the JSON, decimals (-1 for text and counts). */
static const struct field {
    const char *heading, *key;
    int width, decimals;
} fields[] = {
    {"space", "space", -6, -1},     {"clusters", "clusters", 8, -1},
    {"noise", "noise", 5, -1},      {"silhouette", "silhouette", 10, 4},
    {"DB", "davies_bouldin", 6, 3}, {"ARI", "ari", 7, 4},
    {"AMI", "ami", 7, 4},           {"NMI", "nmi", 6, 4}, /* which is the V-measure too */
    {"purity", "purity", 6, 4},
};
enum { FIELDS = sizeof fields / sizeof fields[0], METHOD_WIDTH = 17 };

/* Columns of UTF-8 text: code points, which is what terminals show of Latin and most other letters. */
static int text_width(const char *text)
{
    int n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* Text in |width| columns, left-aligned if width < 0; a longer one is cut and ends in "~". */
static void print_text(FILE *to, const char *text, int width)
{
    int room = width < 0 ? -width : width, used = text_width(text), bytes = 0;
    if (width > 0 && used < room) fprintf(to, "%*s", room - used, "");
    int shown = 0, keep = used > room ? room - 1 : used;
    while (text[bytes]) {
        if (((unsigned char)text[bytes] & 0xc0) != 0x80 && shown++ == keep) break;
        bytes++;
    }
    fprintf(to, "%.*s%s", bytes, text, used > room ? "~" : "");
    if (width < 0 && used < room) fprintf(to, "%*s", room - used, "");
}

/* A value that rounds to 0 has no sign. */
static void number_text(char *text, size_t size, int decimals, double value)
{
    snprintf(text, size, "%.*f", decimals, value);
    if (value < 0 && strspn(text, "-0.") == strlen(text)) memmove(text, text + 1, strlen(text));
}

static void print_field(FILE *to, const struct field *f, const json_t *value)
{
    char text[64];
    if (json_is_string(value)) {
        print_text(to, json_string_value(value), f->width);
        return;
    }
    if (json_is_integer(value))
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
    else if (json_is_number(value))
        number_text(text, sizeof text, f->decimals, json_number_value(value));
    else
        snprintf(text, sizeof text, "-");
    print_text(to, text, f->width);
}

/* Columns in which a method has something to say: a value, or noise at all. */
static unsigned fields_said(json_t *methods)
{
    const char *method;
    json_t *scores;
    unsigned said = 0;
    json_object_foreach(methods, method, scores) for (int i = 0; i < FIELDS; i++)
    {
        const json_t *value = json_object_get(scores, fields[i].key);
        bool count = json_is_integer(value) && json_integer_value(value) == 0;
        if (json_is_string(value) || (json_is_number(value) && !count)) said |= 1u << i;
    }
    return said;
}

static void print_rule(FILE *to, unsigned said)
{
    int width = METHOD_WIDTH;
    for (int i = 0; i < FIELDS; i++)
        if (said >> i & 1) width += 2 + (fields[i].width < 0 ? -fields[i].width : fields[i].width);
    fputs("  ", to);
    for (int i = 0; i < width; i++) fputs("\u2500", to);
    fputc('\n', to);
}

/* One heading line, then one line per method. */
static void print_methods(FILE *to, json_t *methods)
{
    const char *method;
    json_t *scores;
    unsigned said = fields_said(methods);
    fputs("  ", to);
    print_text(to, "method", -METHOD_WIDTH);
    for (int i = 0; i < FIELDS; i++) {
        if (!(said >> i & 1)) continue;
        fputs("  ", to);
        print_text(to, fields[i].heading, fields[i].width);
    }
    fputc('\n', to);
    print_rule(to, said);
    json_object_foreach(methods, method, scores)
    {
        fputs("  ", to);
        print_text(to, method, -METHOD_WIDTH);
        for (int i = 0; i < FIELDS; i++) {
            if (!(said >> i & 1)) continue;
            fputs("  ", to);
            print_field(to, &fields[i], json_object_get(scores, fields[i].key));
        }
        fputc('\n', to);
    }
    print_rule(to, said);
}

/* Below the table: which space knew the truth. */
static void print_told(FILE *to, json_t *methods)
{
    const char *method;
    json_t *scores;
    json_object_foreach(methods, method, scores)
    {
        if (!json_is_true(json_object_get(scores, "truth_went_in"))) continue;
        fprintf(
            to,
            "  The model of the %s space was given this very truth as its condition: it went in, and what "
            "comes\n  out says nothing of what was learnt.\n",
            json_string_value(json_object_get(scores, "space")));
        return;
    }
}

static long long count_of(const json_t *scores, const char *key)
{
    return (long long)json_integer_value(json_object_get(scores, key));
}

/* What became of noise. */
static const char *noise_phrase(const json_t *scores)
{
    const char *as = json_string_value(json_object_get(scores, "noise_as"));
    if (as && strcmp(as, "cluster") == 0) return "scored as one cluster";
    return as && strcmp(as, "singletons") == 0 ? "scored as clusters of one" : "left out";
}

static bool any_noise(json_t *methods)
{
    const char *method;
    json_t *scores;
    json_object_foreach(methods, method, scores) if (count_of(scores, "noise") > 0) return true;
    return false;
}

/* The name of a truth as people say it: "genre_by_track" is the genre by track. */
static void print_truth(FILE *to, const char *truth)
{
    for (; *truth; truth++) fputc(*truth == '_' ? ' ' : *truth, to);
}

/* Heading of a truth: what was scored, from its first method. */
static void print_heading(FILE *to, const char *truth, json_t *methods, bool known)
{
    const json_t *first = json_object_iter_value(json_object_iter(methods));
    const char *level = json_string_value(json_object_get(first, "level"));
    fputs(known ? "\n  Scores against " : "\n  Scores", to);
    if (known) print_truth(to, truth);
    fprintf(to, ": %lld %s", count_of(first, "rows"),
            level && strcmp(level, "track") == 0 ? "tracks" : "rows");
    if (known)
        fprintf(to, ", %lld of them with a known class of %lld", count_of(first, "truth_rows"),
                count_of(first, "classes"));
    if (any_noise(methods)) fprintf(to, "; noise is %s", noise_phrase(first));
    fputs("\n\n", to);
}

/* Whether a method has rows whose class in this truth is known. */
static bool is_scored(json_t *methods)
{
    const char *method;
    json_t *scores;
    json_object_foreach(methods, method, scores) if (count_of(scores, "truth_rows") > 0) return true;
    return false;
}

static bool any_scored(json_t *root)
{
    const char *truth;
    json_t *methods;
    json_object_foreach(root, truth, methods) if (is_scored(methods)) return true;
    return false;
}

/* One table per truth that knows a row; a line for each that knows none. Where none does, the scores that
 * need no truth are shown once. */
static void print_tables(FILE *to, json_t *root)
{
    const char *truth;
    json_t *methods;
    bool shown = any_scored(root);
    json_object_foreach(root, truth, methods)
    {
        if (strcmp(truth, "provenance") == 0) continue;
        bool scored = is_scored(methods);
        if (!scored && strcmp(truth, "none") != 0) {
            fputs("\n  No row has a known ", to);
            print_truth(to, truth);
            fputs(": no scores against it.\n", to);
        }
        if (!scored && shown) continue;
        shown = true;
        print_heading(to, truth, methods, scored);
        print_methods(to, methods);
        print_told(to, methods);
    }
}

tt_status tt_scores_print(const char *metrics, FILE *to)
{
    json_error_t error;
    json_t *root = json_load_file(metrics, 0, &error);
    if (!root) return tt_fail(TT_ERR_INPUT, "%s line %d: %s", metrics, error.line, error.text);
    print_tables(to, root);
    fputs("\n  Silhouette and DB (Davies-Bouldin) compare within one space only. Higher is better, for DB "
          "lower.\n",
          to);
    json_decref(root);
    return fflush(to) == 0 && !ferror(to) ? TT_OK : tt_fail_errno("print the scores of", metrics);
}
