/* genre_by_cluster.png: how the clips of each genre spread over the clusters. */
#include "report/internal.h"

#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLUSTERS_MAX = 60, GENRES_MAX = 50, NUMBERS_MAX = 24 };

/* The table as a matrix, and the order in which its columns are drawn. */
typedef struct table {
    int64_t genres, clusters; /* shown */
    int64_t *count;           /* [genres, all clusters] */
    int64_t *total;           /* [genres] */
    int64_t *order;           /* [all clusters] */
    int64_t *home;            /* [all clusters] genre that most of the cluster's clips have */
    int64_t all_clusters;
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
    int64_t x = t->count[t->home[i] * t->all_clusters + i], y = t->count[t->home[j] * t->all_clusters + j];
    if (x != y) return x > y ? -1 : 1;
    return i < j ? -1 : i > j;
}

/* Clusters stand in the order of the genre they hold most of, so that agreement shows as a diagonal. */
static tt_status table_new(const classes *genres, const classes *clusters, const tt_cell *cells, int64_t n,
                           table *t)
{
    *t = (table){.genres = genres->n < GENRES_MAX ? genres->n : GENRES_MAX,
                 .clusters = clusters->n < CLUSTERS_MAX ? clusters->n : CLUSTERS_MAX,
                 .all_clusters = clusters->n};
    TT_TRY(tt_alloc(t->genres * clusters->n, sizeof *t->count, "a confusion table", &t->count));
    TT_TRY(tt_alloc(t->genres, sizeof *t->total, "a confusion table", &t->total));
    TT_TRY(tt_alloc(clusters->n, sizeof *t->order, "a confusion table", &t->order));
    TT_TRY(tt_alloc(clusters->n, sizeof *t->home, "a confusion table", &t->home));
    for (int64_t i = 0; i < n; i++) {
        if (cells[i].truth >= t->genres) continue;
        t->count[cells[i].truth * clusters->n + cells[i].label] = cells[i].count;
        t->total[cells[i].truth] += cells[i].count;
    }
    for (int64_t c = 0; c < clusters->n; c++) {
        t->order[c] = c;
        for (int64_t g = 1; g < t->genres; g++)
            if (t->count[g * clusters->n + c] > t->count[t->home[c] * clusters->n + c]) t->home[c] = g;
    }
    classes sizes = *clusters;
    qsort_r(t->order, (size_t)clusters->n, sizeof *t->order, compare_totals,
            &sizes); /* the largest are shown */
    qsort_r(t->order, (size_t)t->clusters, sizeof *t->order, compare_columns, t);
    return TT_OK;
}

static void write_cells(plot *p, const table *t)
{
    fputs("$cells << EOD\n", p->to);
    for (int64_t g = 0; g < t->genres; g++)
        for (int64_t c = 0; c < t->clusters; c++) {
            int64_t count = t->count[g * t->all_clusters + t->order[c]];
            double share = t->total[g] > 0 ? (double)count / (double)t->total[g] : 0;
            fprintf(p->to, "%lld %lld %.5f %lld %u\n", (long long)c, (long long)g, 100 * share,
                    (long long)count, share > 0.45 ? 0xffffffu : 0x444444u);
        }
    fputs("EOD\n", p->to);
}

static void write_tics(plot *p, const table *t, const classes *genres, const classes *clusters)
{
    char text[128], name[96], count[32];
    fprintf(p->to, "set ytics scale 0 font ',%d' (", t->genres > 30 ? 11 : 14);
    for (int64_t g = 0; g < t->genres; g++) {
        snprintf(text, sizeof text, "%s  (%s)", plot_short(genres->name[g], 18, name),
                 plot_count(t->total[g], count));
        fputs(g > 0 ? ", " : "", p->to);
        plot_tic(p, text);
        fprintf(p->to, " %lld", (long long)g);
    }
    fprintf(p->to, ")\nset xtics scale 0 font ',%d' (", t->clusters > 30 ? 9 : 14);
    for (int64_t c = 0; c < t->clusters; c++) {
        fputs(c > 0 ? ", " : "", p->to);
        plot_tic(p, clusters->name[t->order[c]]);
        fprintf(p->to, " %lld", (long long)c);
    }
    fputs(")\n", p->to);
}

static void write_title(plot *p, const table *t, const classes *genres, double ari)
{
    char subtitle[256], count[32];
    int64_t clips = 0;
    for (int64_t g = 0; g < t->genres; g++) clips += t->total[g];
    int used =
        snprintf(subtitle, sizeof subtitle,
                 "%s clips of known genre, their number in each cell; a row is one genre and sums to 100 %%",
                 plot_count(clips, count));
    if (isfinite(ari)) used += snprintf(subtitle + used, sizeof subtitle - (size_t)used, "; ARI %.3f", ari);
    if (t->clusters < t->all_clusters || t->genres < genres->n)
        snprintf(subtitle + used, sizeof subtitle - (size_t)used,
                 "; %lld of %lld genres, %lld of %lld clusters shown", (long long)t->genres,
                 (long long)genres->n, (long long)t->clusters, (long long)t->all_clusters);
    plot_title(p, "Where the clips of each genre went", subtitle);
}

tt_status draw_heat(const char *folder, const classes *genres, const classes *clusters, const tt_cell *cells,
                    int64_t n_cells, double ari)
{
    plot p;
    table t;
    TT_TRY(plot_begin(&p, folder, "genre_by_cluster.png", 1600, 1000));
    tt_status s = table_new(genres, clusters, cells, n_cells, &t);
    if (s == TT_OK) {
        write_cells(&p, &t);
        write_title(&p, &t, genres, ari);
        write_tics(&p, &t, genres, clusters);
        fprintf(p.to,
                "set lmargin at screen 0.17\nset rmargin at screen 0.90\nset tmargin at screen 0.885\nset "
                "bmargin at "
                "screen 0.09\nunset grid\nset border 0\nset xlabel 'k-means cluster, in order of its main "
                "genre'\n"
                "set xrange [-0.5:%lld-0.5]\nset yrange [%lld-0.5:-0.5]\nset cbrange [0:100]\n"
                "set palette defined (0 '#ffffff', 15 '#deebf7', 40 '#9ecae1', 70 '#3182bd', 100 '#08306b')\n"
                "set cblabel 'share of the genre (%%)' offset 0.5,0\nset colorbox user origin screen "
                "0.92,0.3 size screen "
                "0.014,0.4 noborder\n"
                "plot $cells using 1:2:3 with image pixels notitle",
                (long long)t.clusters, (long long)t.genres);
        if (t.genres <= NUMBERS_MAX && t.clusters <= NUMBERS_MAX)
            fputs(", $cells using 1:2:($4 > 0 ? sprintf('%d', $4) : ''):5 with labels font ',12' tc rgb "
                  "variable notitle",
                  p.to);
        fputc('\n', p.to);
    }
    table_free(&t);
    return plot_draw(&p, s);
}
