/* silhouettes.png: the mean silhouette of each cluster of the latent space, one panel per method. */
#include "report/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { METHODS_MAX = 3, BARS_MAX = 30 };

typedef struct bar {
    int64_t cluster; /* -1: noise that is scored */
    int64_t rows;
    double silhouette;
    unsigned colour;
} bar;

typedef struct panel {
    const char *method; /* not owned */
    double mean;
    int64_t clusters;
    int bars; /* the largest clusters */
    bar bar[BARS_MAX];
} panel;

typedef struct figure {
    const char *space; /* not owned */
    int64_t noise;
    bool drops; /* the noise */
    int panels, most_bars;
    panel panel[METHODS_MAX];
    double low, high;
} figure;

static int by_rows(const void *a, const void *b)
{
    const bar *x = a, *y = b;
    if (x->rows != y->rows) return x->rows > y->rows ? -1 : 1;
    return (x->cluster > y->cluster) - (x->cluster < y->cluster);
}

static int by_silhouette(const void *a, const void *b)
{
    const bar *x = a, *y = b;
    if (x->silhouette != y->silhouette) return x->silhouette > y->silhouette ? -1 : 1;
    return (x->cluster > y->cluster) - (x->cluster < y->cluster);
}

/* Keep `one` if it is among the largest so far. */
static void keep(panel *p, bar one)
{
    if (p->bars < BARS_MAX)
        p->bar[p->bars++] = one;
    else if (by_rows(&one, &p->bar[BARS_MAX - 1]) < 0)
        p->bar[BARS_MAX - 1] = one;
    else
        return;
    qsort(p->bar, (size_t)p->bars, sizeof *p->bar, by_rows);
}

/* Clusters have the colours that they have in latent_by_cluster.png, as long as there are enough. */
static void add_panel(figure *f, const char *method, const json_t *scores, const json_t *list)
{
    size_t i;
    const json_t *one;
    panel *p = &f->panel[f->panels++];
    *p = (panel){.method = method,
                 .mean = json_number_value(json_object_get(scores, "silhouette")),
                 .clusters = (int64_t)json_array_size(list)};
    json_array_foreach(list, i, one)
    {
        const json_t *cluster = json_object_get(one, "cluster");
        keep(p, (bar){json_is_integer(cluster) ? json_integer_value(cluster) : -1,
                      json_integer_value(json_object_get(one, "rows")),
                      json_number_value(json_object_get(one, "silhouette")),
                      plot_colour(p->clusters <= PLOT_COLOURS ? (int64_t)i : 0)});
    }
    qsort(p->bar, (size_t)p->bars, sizeof *p->bar, by_silhouette);
    for (int b = 0; b < p->bars; b++) {
        f->low = fmin(f->low, p->bar[b].silhouette);
        f->high = fmax(f->high, p->bar[b].silhouette);
    }
    if (p->bars > f->most_bars) f->most_bars = p->bars;
    f->noise += json_integer_value(json_object_get(scores, "noise"));
    const char *as = json_string_value(json_object_get(scores, "noise_as"));
    f->drops = as && strcmp(as, "drop") == 0;
}

/* The methods of the first space, which are of the same rows and compare. */
static void find_panels(json_t *methods, figure *f)
{
    const char *method;
    json_t *scores;
    json_object_foreach(methods, method, scores)
    {
        const char *space = json_string_value(json_object_get(scores, "space"));
        const json_t *list = json_object_get(scores, "cluster_silhouettes");
        if (!space || json_array_size(list) == 0 || strcmp(method, "chance") == 0) continue;
        if (!f->space) f->space = space;
        if (strcmp(space, f->space) == 0 && f->panels < METHODS_MAX) add_panel(f, method, scores, list);
    }
}

/* Names at the left, bars, their values, and the mean of all rows. */
static void draw_panel(plot *p, const figure *f, int i)
{
    const panel *a = &f->panel[i];
    char rows[32], heading[96];
    double left = 0.10, right = 0.97, gap = 0.10, width = (right - left + gap) / f->panels - gap;
    double from = left + i * (width + gap);
    fprintf(p->to, "$bars%d << EOD\n", i);
    for (int b = 0; b < a->bars; b++)
        fprintf(p->to, "%d %.6f %u\n", b, a->bar[b].silhouette, a->bar[b].colour);
    fprintf(p->to,
            "EOD\nset lmargin at screen %.4f\nset rmargin at screen %.4f\nset ytics scale 0 font ',13' (",
            from, from + width);
    for (int b = 0; b < a->bars; b++) {
        char cluster[32] = "noise";
        if (a->bar[b].cluster >= 0) snprintf(cluster, sizeof cluster, "%lld", (long long)a->bar[b].cluster);
        fprintf(p->to, "%s'%s  (%s)' %d", b > 0 ? ", " : "", cluster, plot_count(a->bar[b].rows, rows), b);
    }
    fputs(")\nset label 100 ", p->to);
    if (a->bars < a->clusters)
        snprintf(heading, sizeof heading, "%.40s: the %d largest of %lld", a->method, a->bars,
                 (long long)a->clusters);
    else
        snprintf(heading, sizeof heading, "%.40s", a->method);
    plot_text(p, heading);
    fprintf(p->to,
            " at graph 0, graph 1 offset 0,2 left font 'DejaVu Sans Bold,14' tc rgb '#444444'\nunset arrow\n"
            "set arrow from %.6f, graph 0 to %.6f, graph 1 nohead dt 2 lw 2 lc rgb '#bbbbbb' back\n"
            "set label 99 'all rows %.3f' at %.6f, graph 1 offset 0,0.7 center font ',12' tc rgb '#555555'\n",
            a->mean, a->mean, a->mean, a->mean);
    fprintf(p->to,
            "plot $bars%d using 2:1:(0):2:($1-0.4):($1+0.4):3 with boxxyerror fs solid 0.85 noborder lc rgb "
            "variable notitle, '' using ($2 > 0 ? $2 : 0):1:(sprintf('%%.2f', abs($2) < 0.005 ? 0 : $2)) "
            "with labels left offset 0.5,0 font ',11' tc "
            "rgb '#444444' notitle\nunset label\n",
            i);
}

static tt_status draw_figure(const char *folder, const figure *f)
{
    plot p;
    char subtitle[256];
    int height = 300 + 34 * (f->most_bars < 9 ? 9 : f->most_bars);
    double reach = f->high - f->low;
    TT_TRY(plot_begin(&p, folder, "silhouettes.png", 1600, height));
    p.panel_left = 0.03;
    snprintf(subtitle, sizeof subtitle,
             "mean silhouette of each cluster (its rows) in the %s space; 1: far from all others, below 0: "
             "nearer to "
             "another%s",
             f->space,
             f->noise == 0 ? ""
             : f->drops    ? "; noise is left out"
                           : "; noise is scored too");
    plot_title(&p, "How well the clusters stand apart", subtitle);
    fprintf(
        p.to,
        "set tmargin at screen %.4f\nset bmargin at screen %.4f\nset border 0\nset xrange [%.4f:%.4f]\nset "
        "yrange [%.2f:-0.6]\nset xtics scale 0 font ',12'\nset yzeroaxis lt 1 lw 1 lc rgb '#999999'\nset "
        "grid xtics noytics\nunset "
        "key\nset multiplot\n",
        1 - 195.0 / height, 65.0 / height, f->low - (f->low < 0 ? 0.02 * reach : 0), f->high + 0.18 * reach,
        f->most_bars - 0.4);
    for (int i = 0; i < f->panels; i++) draw_panel(&p, f, i);
    fputs("unset multiplot\n", p.to);
    return plot_draw(&p, TT_OK);
}

tt_status draw_silhouettes(const char *folder, const json_t *metrics)
{
    figure f = {0};
    tt_status s = TT_OK;
    const char *truth;
    json_t *methods, *root = json_deep_copy(metrics); /* jansson iterates over what is not const */
    json_object_foreach(root, truth, methods)
    {
        if (f.panels == 0 && strcmp(truth, "provenance") != 0) find_panels(methods, &f);
    }
    if (f.panels > 0 && f.high > f.low)
        s = draw_figure(folder, &f);
    else
        leave_out(folder, "silhouettes.png", "no clustering has silhouettes");
    json_decref(root);
    return s;
}
