/* genre_by_cluster.png and its like: how the rows of each class spread over the clusters. */
#include "report/internal.h"

#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLUSTERS_MAX = 60, CLASSES_MAX = 50, NUMBERS_MAX = 24 };

/* The table as a matrix, and the order in which its columns are drawn. */
typedef struct table {
    int64_t classes, clusters;     /* shown */
    int64_t all_clusters, columns; /* there is one column more for noise */
    int64_t *count;                /* [classes, columns] */
    int64_t *total;                /* [classes] */
    int64_t *order;                /* [columns] */
    int64_t *home;                 /* [columns] class that most of the cluster's rows have */
    bool noise;                    /* whether there is any, which stands last */
} table;

static void table_free(table *t)
{
    free(t->count);
    free(t->total);
    free(t->order);
    free(t->home);
}

static int compare_totals(const void *a, const void *b, void *context)
{
    const classes *clusters = context;
    int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    if (clusters->size[i] != clusters->size[j]) return clusters->size[i] > clusters->size[j] ? -1 : 1;
    return i < j ? -1 : i > j;
}

static int compare_columns(const void *a, const void *b, void *context)
{
    const table *t = context;
    int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    if (t->home[i] != t->home[j]) return t->home[i] < t->home[j] ? -1 : 1;
    int64_t x = t->count[t->home[i] * t->columns + i], y = t->count[t->home[j] * t->columns + j];
    if (x != y) return x > y ? -1 : 1;
    return i < j ? -1 : i > j;
}

static tt_status allocate(const classes *truth, const classes *clusters, table *t)
{
    *t = (table){.classes = truth->n < CLASSES_MAX ? truth->n : CLASSES_MAX,
                 .clusters = clusters->n < CLUSTERS_MAX ? clusters->n : CLUSTERS_MAX,
                 .all_clusters = clusters->n,
                 .columns = clusters->n + 1};
    TT_TRY(tt_alloc(t->classes * t->columns, sizeof *t->count, "a confusion table", &t->count));
    TT_TRY(tt_alloc(t->classes, sizeof *t->total, "a confusion table", &t->total));
    TT_TRY(tt_alloc(t->columns, sizeof *t->order, "a confusion table", &t->order));
    return tt_alloc(t->columns, sizeof *t->home, "a confusion table", &t->home);
}

/* Clusters stand in the order of the class they hold most of, so that agreement shows as a diagonal. */
static tt_status table_new(const classes *truth, const classes *clusters, const tt_cell *cells, int64_t n,
                           table *t)
{
    TT_TRY(allocate(truth, clusters, t));
    for (int64_t i = 0; i < n; i++) {
        t->noise = t->noise || cells[i].label == clusters->n;
        if (cells[i].truth >= t->classes) continue;
        t->count[cells[i].truth * t->columns + cells[i].label] = cells[i].count;
        t->total[cells[i].truth] += cells[i].count;
    }
    for (int64_t c = 0; c < clusters->n; c++) {
        t->order[c] = c;
        for (int64_t g = 1; g < t->classes; g++)
            if (t->count[g * t->columns + c] > t->count[t->home[c] * t->columns + c]) t->home[c] = g;
    }
    classes sizes = *clusters;
    qsort_r(t->order, (size_t)clusters->n, sizeof *t->order, compare_totals,
            &sizes); /* the largest are shown */
    qsort_r(t->order, (size_t)t->clusters, sizeof *t->order, compare_columns, t);
    if (t->noise) t->order[t->clusters++] = clusters->n;
    return TT_OK;
}

static void write_cells(plot *p, const table *t)
{
    fputs("$cells << EOD\n", p->to);
    for (int64_t g = 0; g < t->classes; g++)
        for (int64_t c = 0; c < t->clusters; c++) {
            int64_t count = t->count[g * t->columns + t->order[c]];
            double share = t->total[g] > 0 ? (double)count / (double)t->total[g] : 0;
            fprintf(p->to, "%lld %lld %.5f %lld %u\n", (long long)c, (long long)g, 100 * share,
                    (long long)count, share > 0.45 ? 0xffffffu : 0x444444u);
        }
    fputs("EOD\n", p->to);
}

static void write_tics(plot *p, const table *t, const classes *truth, const classes *clusters)
{
    char text[128], name[96], count[32];
    fprintf(p->to, "set ytics scale 0 font ',%d' (", t->classes > 30 ? 11 : 14);
    for (int64_t g = 0; g < t->classes; g++) {
        snprintf(text, sizeof text, "%s  (%s)", plot_short(truth->name[g], 18, name),
                 plot_count(t->total[g], count));
        fputs(g > 0 ? ", " : "", p->to);
        plot_tic(p, text);
        fprintf(p->to, " %lld", (long long)g);
    }
    fprintf(p->to, ")\nset xtics scale 0 font ',%d' (", t->clusters > 30 ? 9 : 14);
    for (int64_t c = 0; c < t->clusters; c++) {
        fputs(c > 0 ? ", " : "", p->to);
        plot_tic(p, t->order[c] == t->all_clusters ? "noise" : clusters->name[t->order[c]]);
        fprintf(p->to, " %lld", (long long)c);
    }
    fputs(")\n", p->to);
}

static void write_title(plot *p, const table *t, const run_rows *r, kind truth, double ari)
{
    char title[96], subtitle[256], count[32];
    int64_t rows = 0, shown = t->clusters - t->noise;
    const kind_words *words = &kind_words_of[truth];
    for (int64_t g = 0; g < t->classes; g++) rows += t->total[g];
    size_t used =
        (size_t)snprintf(subtitle, sizeof subtitle,
                         "%s %s of known %s, their number in each cell; a row is one %s and sums to 100 %%",
                         plot_count(rows, count), rows_word(r), words->one, words->one);
    if (isfinite(ari)) used += (size_t)snprintf(subtitle + used, sizeof subtitle - used, "; ARI %.3f", ari);
    if (shown < t->all_clusters || t->classes < r->of[truth].classes.n)
        snprintf(subtitle + used, sizeof subtitle - used, "; %lld of %lld %s, %lld of %lld clusters shown",
                 (long long)t->classes, (long long)r->of[truth].classes.n, words->many, (long long)shown,
                 (long long)t->all_clusters);
    snprintf(title, sizeof title, "Where the %s of each %s went", rows_word(r), words->one);
    plot_title(p, title, subtitle);
}

tt_status draw_heat(const char *folder, const run_rows *r, kind truth, kind by, const tt_cell *cells,
                    int64_t n_cells, double ari)
{
    plot p;
    table t;
    char name[64];
    const classes *genres = &r->of[truth].classes, *clusters = &r->of[by].classes;
    snprintf(name, sizeof name, "%s_by_%s.png", kind_words_of[truth].file, kind_words_of[by].file);
    TT_TRY(plot_begin(&p, folder, name, 1600, 1000));
    tt_status s = table_new(genres, clusters, cells, n_cells, &t);
    if (s == TT_OK) {
        write_cells(&p, &t);
        write_title(&p, &t, r, truth, ari);
        write_tics(&p, &t, genres, clusters);
        fprintf(p.to,
                "set lmargin at screen 0.17\nset rmargin at screen 0.90\nset tmargin at screen 0.885\nset "
                "bmargin at "
                "screen 0.09\nunset grid\nset border 0\nset xlabel '%s, in order of its main %s'\n"
                "set xrange [-0.5:%lld-0.5]\nset yrange [%lld-0.5:-0.5]\nset cbrange [0:100]\n"
                "set palette defined (0 '#ffffff', 15 '#deebf7', 40 '#9ecae1', 70 '#3182bd', 100 '#08306b')\n"
                "set cblabel 'share of the %s (%%)' offset 0.5,0\nset colorbox user origin screen "
                "0.92,0.3 size screen "
                "0.014,0.4 noborder\n"
                "plot $cells using 1:2:3 with image pixels notitle",
                kind_words_of[by].one, kind_words_of[truth].one, (long long)t.clusters, (long long)t.classes,
                kind_words_of[truth].one);
        if (t.classes <= NUMBERS_MAX && t.clusters <= NUMBERS_MAX)
            fputs(", $cells using 1:2:($4 > 0 ? sprintf('%d', $4) : ''):5 with labels font ',12' tc rgb "
                  "variable notitle",
                  p.to);
        fputc('\n', p.to);
    }
    table_free(&t);
    return plot_draw(&p, s);
}
