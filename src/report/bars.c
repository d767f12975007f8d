/* scores.png: agreement of every method with the truth, one panel per truth. */
#include "report/internal.h"

#include "tutti/log.h"

#include <math.h>
#include <string.h>

enum { METRICS = 4, TRUTHS_MAX = 3 };

static const struct metric {
    const char *key, *name;
} metrics_shown[METRICS] = {{"ari", "ARI"}, {"ami", "AMI"}, {"nmi", "NMI"}, {"purity", "purity"}};

static unsigned colour_of(const char *method, size_t i)
{
    return strcmp(method, "chance") == 0 ? 0xb0b0b0 : plot_colour((int64_t)i);
}

/* Value of a score, NAN if there is none. */
static double value_of(const json_t *scores, const char *key)
{
    const json_t *value = json_object_get(scores, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* One bar per method in groups, one per metric: x, value, half width. */
static void write_bars(plot *p, const char *truth, int panel, json_t *methods)
{
    const char *method;
    json_t *scores;
    size_t n = json_object_size(methods), i = 0;
    double width = 0.8 / (double)n;
    (void)truth;
    json_object_foreach(methods, method, scores)
    {
        fprintf(p->to, "$bar_%d_%zu << EOD\n", panel, i);
        for (int m = 0; m < METRICS; m++) {
            double v = value_of(scores, metrics_shown[m].key);
            if (isfinite(v)) fprintf(p->to, "%.6f %.6f\n", m - 0.4 + width * ((double)i + 0.5), v);
        }
        fputs("EOD\n", p->to);
        i++;
    }
}

static double lowest(json_t *methods)
{
    const char *method;
    json_t *scores;
    double low = 0;
    json_object_foreach(methods, method, scores) for (int m = 0; m < METRICS; m++)
    {
        double v = value_of(scores, metrics_shown[m].key);
        if (v < low) low = v;
    }
    return low;
}

static void write_panel(plot *p, const char *truth, int panel, int panels, json_t *methods)
{
    const char *method;
    json_t *scores;
    size_t n = json_object_size(methods), i = 0;
    double left = 0.06, right = 0.84, gap = 0.05, width = (right - left - gap * (panels - 1)) / panels;
    double from = left + panel * (width + gap), size = n * (size_t)panels <= 6   ? 12
                                                       : n * (size_t)panels <= 8 ? 9
                                                                                 : 7;
    fprintf(p->to, "set lmargin at screen %.4f\nset rmargin at screen %.4f\nset label 1 ", from,
            from + width);
    char heading[128];
    snprintf(heading, sizeof heading, "against %.80s", truth);
    plot_text(p, heading);
    fprintf(p->to,
            " at graph 0,1.025 left font 'DejaVu Sans Bold,14' tc rgb '#444444'\nset yrange [%.3f:1.04]\n",
            lowest(methods) < -0.01 ? lowest(methods) - 0.06 : 0);
    fputs(panel == panels - 1
              ? "set key at screen 0.855,0.85 left top Left reverse vertical samplen 1 spacing 1.3\n"
              : "unset key\n",
          p->to);
    json_object_foreach(methods, method, scores)
    {
        char title[160];
        const char *space = json_string_value(json_object_get(scores, "space"));
        snprintf(title, sizeof title, "%.60s%s%.40s%s", method, space ? "  (" : "", space ? space : "",
                 space ? ")" : "");
        fprintf(p->to, "%s$bar_%d_%zu using 1:2:(%.5f) with boxes fs solid noborder lc rgb '#%06x' title ",
                i == 0 ? "plot " : ", ", panel, i, 0.8 / (double)n * 0.94, colour_of(method, i));
        plot_text(p, title);
        fprintf(p->to,
                ", $bar_%d_%zu using 1:($2 > 0 ? $2 : 0):(sprintf('%%.2f', abs($2) < 0.005 ? 0 : $2)) with "
                "labels offset 0,0.6 "
                "font ',%.0f' tc "
                "rgb '#555555' notitle",
                panel, i, size);
        i++;
    }
    fputs("\nunset label 101\nunset label 102\n", p->to);
}

/* Truths with methods, at most TRUTHS_MAX. */
static int find_truths(json_t *root, const char *name[TRUTHS_MAX], json_t *methods[TRUTHS_MAX])
{
    const char *key;
    json_t *value;
    int n = 0;
    json_object_foreach(root, key, value)
    {
        if (strcmp(key, "provenance") == 0 || strcmp(key, "none") == 0 || n == TRUTHS_MAX) continue;
        bool known = false;
        const char *method;
        json_t *scores;
        json_object_foreach(value, method, scores) known = known || isfinite(value_of(scores, "ari"));
        if (!known) continue;
        name[n] = key;
        methods[n++] = value;
    }
    return n;
}

tt_status draw_scores(const char *folder, const json_t *metrics)
{
    plot p;
    const char *name[TRUTHS_MAX];
    json_t *methods[TRUTHS_MAX],
        *root = json_deep_copy(metrics); /* jansson iterates over what is not const */
    int n = find_truths(root, name, methods);
    if (n == 0) {
        json_decref(root);
        tt_info("no scores.png: no row has a known genre or language to score against");
        return TT_OK;
    }
    tt_status s = plot_begin(&p, folder, "scores.png", 1600, 900);
    if (s == TT_OK) {
        p.panel_left = 0.06;
        for (int i = 0; i < n; i++) write_bars(&p, name[i], i, methods[i]);
        plot_title(&p, "Agreement of the clusters with the labels",
                   "the same methods on each space; 1 is a perfect match, chance has the cluster sizes of "
                   "the first method");
        fputs("set tmargin at screen 0.85\nset bmargin at screen 0.09\nset border 0\nset xrange [-0.5:3.5]\n"
              "set xtics scale 0 ('ARI' 0, 'AMI' 1, 'NMI' 2, 'purity' 3)\nset ytics scale 0\nset grid "
              "noxtics ytics\n"
              "set xzeroaxis lt 1 lc rgb '#999999'\nset multiplot\n",
              p.to);
        for (int i = 0; i < n; i++) write_panel(&p, name[i], i, n, methods[i]);
        fputs("unset multiplot\n", p.to);
        s = plot_draw(&p, TT_OK);
    }
    json_decref(root);
    return s;
}
