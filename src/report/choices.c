/* How numbers were chosen: k_distance.png, DBSCAN's eps at the knee of the k-distance curve, and
 * choosing_k.png, the scores of every k that k-means was tried with. One column of panels per space. */
#include "report/internal.h"

#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>

static const struct {
    const char *group, *title;
} spaces[] = {
    {"", "latent space"}, {"/baseline/raw", "raw features"}, {"/baseline/pca", "principal components"}};
enum { SPACES = sizeof spaces / sizeof spaces[0] };

/* A dataset of numbers. */
typedef struct series {
    int64_t n;
    double *value; /* [n] NULL if there is none */
} series;

/* What one space has of both choices. */
typedef struct choices {
    const char *title;
    series eps, k_distance, k, inertia, silhouette;
    int64_t chosen; /* k */
} choices;

static void choices_free(choices *c)
{
    for (int i = 0; i < SPACES; i++) {
        free(c[i].eps.value);
        free(c[i].k_distance.value);
        free(c[i].k.value);
        free(c[i].inertia.value);
        free(c[i].silhouette.value);
    }
}

/* ---- what there is ---- */

/* GROUP/leaf of a space, where the file has it. */
static tt_status read_series(tt_store *store, int space, const char *leaf, series *out)
{
    char name[128];
    tt_column column;
    bool found;
    snprintf(name, sizeof name, "%s/%s", spaces[space].group, leaf);
    TT_TRY(tt_store_column(store, name, &column, &found));
    if (!found || column.n_dims != 1) return TT_OK;
    out->n = column.dims[0];
    TT_TRY(tt_alloc(out->n, sizeof *out->value, "a curve", &out->value));
    return tt_store_read(store, name, 0, out->n, TT_F64, out->value);
}

static tt_status read_space(tt_store *store, int space, choices *c)
{
    char name[128];
    tt_column column;
    bool found;
    c->title = spaces[space].title;
    TT_TRY(read_series(store, space, "dbscan/eps", &c->eps));
    TT_TRY(read_series(store, space, "dbscan/k_distance", &c->k_distance));
    TT_TRY(read_series(store, space, "kmeans/k_tried", &c->k));
    TT_TRY(read_series(store, space, "kmeans/k_inertia", &c->inertia));
    TT_TRY(read_series(store, space, "kmeans/k_silhouette", &c->silhouette));
    snprintf(name, sizeof name, "%s/kmeans/centroids", spaces[space].group);
    TT_TRY(tt_store_column(store, name, &column, &found));
    if (found) c->chosen = column.dims[0];
    return TT_OK;
}

static bool has_knee(const choices *c)
{
    return c->eps.n == 1 && c->k_distance.n > 1 && isfinite(c->k_distance.value[0]);
}

static bool has_range(const choices *c)
{
    return c->k.n > 1 && c->inertia.n == c->k.n && c->silhouette.n == c->k.n;
}

static bool has_silhouettes(const choices *c)
{
    for (int64_t i = 0; has_range(c) && i < c->k.n; i++)
        if (isfinite(c->silhouette.value[i])) return true;
    return false;
}

static int count_spaces(const choices *c, bool (*has)(const choices *))
{
    int n = 0;
    for (int i = 0; i < SPACES; i++) n += has(&c[i]);
    return n;
}

/* ---- panels ---- */

/* Place panel (column, row) of columns x rows and head it. */
static void begin_panel(plot *p, int column, int columns, int row, int rows, const char *space,
                        const char *what)
{
    double left = 0.065, right = 0.975, top = 1 - 165.0 / p->height, bottom = rows > 1 ? 0.09 : 0.13,
           gap_x = 0.07, gap_y = 0.11;
    double width = (right - left + gap_x) / columns - gap_x, height = (top - bottom + gap_y) / rows - gap_y;
    double x = left + column * (width + gap_x), y = top - row * (height + gap_y);
    fprintf(p->to,
            "unset label 1\nunset label 2\nset lmargin at screen %.4f\nset rmargin at screen %.4f\nset "
            "tmargin at screen "
            "%.4f\nset bmargin at screen %.4f\n",
            x, x + width, y, y - height);
    fprintf(p->to,
            "set label 1 '%s%s' at graph 0, graph 1 offset 0,1 left font 'DejaVu Sans Bold,14' tc rgb "
            "'#444444'\n",
            space, what);
}

/* A value on the curve with what it is beside it. */
static void mark(plot *p, double x, double y, const char *text, const char *where)
{
    fprintf(
        p->to,
        "set label 2 '%s' at %.9g,%.9g %s font 'DejaVu Sans Bold,14' tc rgb '#%06x' front point pt 7 ps 2 "
        "lc rgb '#%06x'\n",
        text, x, y, where, plot_colour(5), plot_colour(5));
}

/* The knee is where the curve gets to eps. */
static void draw_knee_panel(plot *p, const choices *c, int column, int columns)
{
    char text[64];
    const double *y = c->k_distance.value, eps = c->eps.value[0];
    int64_t n = c->k_distance.n, knee = 0;
    while (knee < n - 1 && y[knee] < eps) knee++;
    double at = 100 * (double)knee / (double)(n - 1);
    begin_panel(p, column, columns, 0, 1, c->title, "");
    snprintf(text, sizeof text, "eps = %.4g", eps);
    mark(p, at, eps, text, at > 50 ? "right offset -1.5,1" : "left offset 1.5,-1");
    fprintf(p->to, "$curve%d << EOD\n", column);
    for (int64_t i = 0; i < n; i++) fprintf(p->to, "%.4f %.9g\n", 100 * (double)i / (double)(n - 1), y[i]);
    fprintf(p->to, "EOD\n$chord%d << EOD\n0 %.9g\n100 %.9g\nEOD\n", column, y[0], y[n - 1]);
    fprintf(p->to, "set xlabel 'share of the rows (%%)'\nset ylabel '%s'\n",
            column == 0 ? "distance to the min_samples-th nearest row" : "");
    fprintf(p->to,
            "plot $chord%d with lines lw 1.5 dt 2 lc rgb '#999999' notitle, $curve%d with lines lw 3 lc rgb "
            "'#%06x' notitle\nunset label 101\nunset label 102\n",
            column, column, plot_colour(0));
}

static tt_status draw_knees(const char *folder, const choices *c)
{
    plot p;
    int columns = count_spaces(c, has_knee), column = 0;
    TT_TRY(plot_begin(&p, folder, "k_distance.png", 1600, 800));
    p.panel_left = 0.065;
    plot_title(&p, "How DBSCAN came to its radius",
               "rows by the radius that holds min_samples of them, ascending; eps is the knee of the curve, "
               "where it "
               "is farthest below the dashed chord");
    fputs("set multiplot\nset xrange [0:100]\nset yrange [0:*]\n", p.to);
    for (int i = 0; i < SPACES; i++)
        if (has_knee(&c[i])) draw_knee_panel(&p, &c[i], column++, columns);
    fputs("unset multiplot\n", p.to);
    return plot_draw(&p, TT_OK);
}

/* One score against k. */
static void draw_score_panel(plot *p, const choices *c, const series *score, const char *what, int column,
                             int columns, int row, int rows)
{
    char text[64];
    const double *k = c->k.value;
    begin_panel(p, column, columns, row, rows, c->title, what);
    for (int64_t i = 0; i < c->k.n; i++) {
        if ((int64_t)k[i] != c->chosen || !isfinite(score->value[i])) continue;
        snprintf(text, sizeof text, "k = %lld", (long long)c->chosen);
        mark(p, k[i], score->value[i], text, 2 * i < c->k.n ? "left offset 1,1" : "right offset -1,1");
    }
    fprintf(p->to, "$scores%d%d << EOD\n", column, row);
    for (int64_t i = 0; i < c->k.n; i++)
        if (isfinite(score->value[i])) fprintf(p->to, "%g %.9g\n", k[i], score->value[i]);
    fprintf(p->to, "EOD\nset xlabel '%s'\nset xrange [%g:%g]\n", row == rows - 1 ? "clusters, k" : "",
            k[0] - 0.5, k[c->k.n - 1] + 0.5);
    fprintf(p->to, "plot $scores%d%d with linespoints lw 3 pt 7 ps %g lc rgb '#%06x' notitle\n", column, row,
            c->k.n <= 40 ? 1.0 : 0.4, plot_colour(0));
    fputs("unset label 101\nunset label 102\n", p->to);
}

static tt_status draw_ranges(const char *folder, const choices *c)
{
    plot p;
    int columns = count_spaces(c, has_range), column = 0;
    bool silhouettes = count_spaces(c, has_silhouettes) > 0;
    TT_TRY(plot_begin(&p, folder, "choosing_k.png", 1600, silhouettes ? 1000 : 700));
    p.panel_left = 0.065;
    plot_title(&p, "How k-means came to its number of clusters",
               silhouettes
                   ? "the k of the largest mean silhouette; scores compare within one space only"
                   : "the k at the elbow of the inertia, farthest below the chord; within one space only");
    fputs("set multiplot\nset offsets 0,0,graph 0.12,graph 0.06\n", p.to);
    for (int i = 0; i < SPACES; i++) {
        if (!has_range(&c[i])) continue;
        if (silhouettes)
            draw_score_panel(&p, &c[i], &c[i].silhouette, ": mean silhouette", column, columns, 0, 2);
        draw_score_panel(&p, &c[i], &c[i].inertia, ": inertia", column, columns, silhouettes,
                         1 + silhouettes);
        column++;
    }
    fputs("unset multiplot\n", p.to);
    return plot_draw(&p, TT_OK);
}

static tt_status draw_choices(const char *folder, const choices *c)
{
    if (count_spaces(c, has_knee) > 0)
        TT_TRY(draw_knees(folder, c));
    else
        leave_out(folder, "k_distance.png", "no eps was chosen");
    if (count_spaces(c, has_range) > 0) return draw_ranges(folder, c);
    leave_out(folder, "choosing_k.png", "no k was chosen");
    return TT_OK;
}

tt_status report_choices(const tt_comm *comm, const char *clusters, const char *folder)
{
    choices c[SPACES] = {0};
    if (file_is_there(comm, clusters)) {
        tt_store *store;
        TT_TRY(tt_store_open(comm, clusters, &store));
        tt_status s = TT_OK;
        for (int i = 0; s == TT_OK && i < SPACES; i++) s = tt_agree(comm, read_space(store, i, &c[i]));
        tt_store_close(store);
        if (s != TT_OK) {
            choices_free(c);
            return s;
        }
    }
    tt_status s = tt_agree(comm, comm->rank == 0 ? draw_choices(folder, c) : TT_OK);
    choices_free(c);
    return s;
}
