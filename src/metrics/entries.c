/* Scores as JSON: the entry of one method. On ranks other than 0 there is no root, and jansson lets that
 * pass. */
#include "metrics/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int64_t most_cells = 1 << 16; /* of a confusion table */

static void set_number(json_t *object, const char *name, double value)
{
    json_object_set_new(object, name, isfinite(value) ? json_real(value) : json_null());
}

static void set_count(json_t *object, const char *name, int64_t value)
{
    json_object_set_new(object, name, json_integer(value));
}

json_t *entry_new(const entry_head *head, const tt_internal_scores *inside)
{
    json_t *entry = json_object();
    json_object_set_new(entry, "space", json_string(head->space));
    json_object_set_new(entry, "level", json_string(head->level));
    json_object_set_new(entry, "metric", json_string(head->metric));
    set_count(entry, "rows", inside->rows);
    set_count(entry, "noise", head->noise);
    json_object_set_new(entry, "noise_as", json_string(head->noise_as));
    set_count(entry, "clusters", inside->clusters);
    set_number(entry, "silhouette", inside->silhouette);
    if (head->sample > 0 && head->sample < inside->rows) set_count(entry, "silhouette_sample", head->sample);
    set_number(entry, "davies_bouldin", inside->davies_bouldin);
    set_number(entry, "calinski_harabasz", inside->calinski_harabasz);
    return entry;
}

code_names code_names_of(char *const *text, int n)
{
    code_names names = {n, text, true};
    for (int i = 0; text && i < n; i++)
        if (strspn(text[i], "0123456789") != strlen(text[i]) || strlen(text[i]) > 18) names.numbers = false;
    return names;
}

/* What a code stands for: itself, if nobody says or if JSON cannot. */
static json_t *code_value(const code_names *names, int32_t code)
{
    if (!names->text) return json_integer(code);
    if (code >= names->n) return json_string("noise");
    const char *text = names->text[code];
    json_t *value = names->numbers ? json_integer(strtoll(text, NULL, 10)) : json_string(text);
    return value ? value : json_integer(code);
}

void entry_add_clusters(json_t *entry, const tt_cluster_silhouettes *each, const code_names *labels)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < each->n; i++) {
        json_t *one = json_object();
        json_object_set_new(one, "cluster", code_value(labels, each->cluster[i].label));
        set_count(one, "rows", each->cluster[i].rows);
        set_number(one, "silhouette", each->cluster[i].silhouette);
        json_array_append_new(list, one);
    }
    json_object_set_new(entry, "cluster_silhouettes", list);
}

void entry_add_told(json_t *entry)
{
    json_object_set_new(entry, "truth_went_in", json_true());
}

void entry_add_external(json_t *entry, const tt_external_scores *e)
{
    set_count(entry, "truth_rows", e->rows);
    set_count(entry, "classes", e->classes);
    set_number(entry, "ari", e->ari);
    set_number(entry, "ami", e->ami);
    set_number(entry, "nmi", e->nmi);
    set_number(entry, "homogeneity", e->homogeneity);
    set_number(entry, "completeness", e->completeness);
    set_number(entry, "v_measure", e->v_measure);
    set_number(entry, "fowlkes_mallows", e->fowlkes_mallows);
    set_number(entry, "purity", e->purity);
}

/* The class codes that occur, ascending, as the keys of *at: code -> column. */
static json_t *list_classes(const tt_cell *cells, int64_t n)
{
    json_t *classes = json_array();
    int32_t last = -1;
    for (bool more = true; more;) {
        int32_t next = INT32_MAX;
        more = false;
        for (int64_t i = 0; i < n; i++)
            if (cells[i].truth > last && cells[i].truth <= next) {
                next = cells[i].truth;
                more = true;
            }
        if (more) json_array_append_new(classes, json_integer(next));
        last = next;
    }
    return classes;
}

/* One row of the table: the cells from `i` that share a label. */
static json_t *confusion_row(const tt_cell *cells, int64_t n, int64_t *i, const json_t *classes)
{
    json_t *row = json_array();
    int32_t label = cells[*i].label;
    for (size_t c = 0; c < json_array_size(classes); c++) {
        bool here = *i < n && cells[*i].label == label &&
                    cells[*i].truth == (int32_t)json_integer_value(json_array_get(classes, c));
        json_array_append_new(row, json_integer(here ? cells[*i].count : 0));
        *i += here;
    }
    return row;
}

void entry_add_confusion(json_t *entry, const tt_cell *cells, int64_t n, const tt_external_scores *e,
                         const code_names *labels, const code_names *classes)
{
    json_t *table = json_null();
    if (e->clusters <= most_cells && e->classes <= most_cells && e->clusters * e->classes <= most_cells) {
        json_t *codes = list_classes(cells, n), *of_rows = json_array(), *of_columns = json_array(),
               *rows = json_array(), *code;
        size_t at;
        for (int64_t i = 0; i < n;) {
            json_array_append_new(of_rows, code_value(labels, cells[i].label));
            json_array_append_new(rows, confusion_row(cells, n, &i, codes));
        }
        json_array_foreach(codes, at, code)
        {
            json_array_append_new(of_columns, code_value(classes, (int32_t)json_integer_value(code)));
        }
        json_decref(codes);
        table = json_object();
        json_object_set_new(table, "clusters", of_rows);
        json_object_set_new(table, "classes", of_columns);
        json_object_set_new(table, "rows", rows);
    }
    json_object_set_new(entry, "confusion", table);
}

void entry_put(json_t *root, const char *truth, const char *method, json_t *entry)
{
    json_t *methods = json_object_get(root, truth);
    if (!methods) {
        json_object_set_new(root, truth, json_object());
        methods = json_object_get(root, truth);
    }
    json_object_set_new(methods, method, entry);
}
