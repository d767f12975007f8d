/* scores.png: agreement of every method with the truth, methods in groups by space, one panel per truth. */
#include "report/internal.h"

#include <math.h>
#include <string.h>

enum { TRUTHS_MAX = 4, METHODS_MAX = 40, SPACES_MAX = 8 };

/* A line of the picture: a method of a space, or "chance". */
typedef struct line {
    const char *method, *space; /* not owned; the space of chance is NULL */
    int group;
    double y;
} line;

typedef struct chart {
    int truths, lines, groups;
    const char *truth[TRUTHS_MAX], *space[SPACES_MAX];
    json_t *methods[TRUTHS_MAX];
    line line[METHODS_MAX];
    double low, bottom; /* ends of the axes */
    bool told;          /* whether some space was given the truth */
} chart;

/* Value of a score, NAN if there is none. */
static double value_of(const json_t *scores, const char *key)
{
    const json_t *value = json_object_get(scores, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* ---- what is shown ---- */

static void find_truths(json_t *root, chart *c)
{
    const char *key, *method;
    json_t *methods, *scores;
    json_object_foreach(root, key, methods)
    {
        bool known = false;
        if (strcmp(key, "provenance") == 0 || c->truths == TRUTHS_MAX) continue;
        json_object_foreach(methods, method, scores) known = known || isfinite(value_of(scores, "ari"));
        if (!known) continue;
        c->truth[c->truths] = key;
        c->methods[c->truths++] = methods;
    }
}

/* The number of a space, -1 where there are too many. */
static int group_of(chart *c, const char *space)
{
    for (int g = 0; g < c->groups; g++)
        if (strcmp(c->space[g], space) == 0) return g;
    if (c->groups == SPACES_MAX) return -1;
    c->space[c->groups] = space;
    return c->groups++;
}

static void find_lines(chart *c)
{
    const char *method;
    json_t *scores;
    json_object_foreach(c->methods[0], method, scores)
    {
        const char *space = json_string_value(json_object_get(scores, "space"));
        bool chance = strcmp(method, "chance") == 0;
        c->told = c->told || json_is_true(json_object_get(scores, "truth_went_in"));
        int group = chance ? SPACES_MAX : group_of(c, space ? space : "");
        if (group < 0 || c->lines == METHODS_MAX) continue;
        c->line[c->lines++] = (line){method, chance ? NULL : space, group, 0};
    }
}

/* Groups below each other, with room between them; chance last. */
static void place_lines(chart *c)
{
    double y = 0;
    for (int g = 0; g <= SPACES_MAX; g++) {
        bool any = false;
        for (int i = 0; i < c->lines; i++) {
            if (c->line[i].group != g) continue;
            c->line[i].y = y++;
            any = true;
        }
        if (any) y += 0.6;
    }
    c->bottom = y - 0.6;
}

static void find_range(chart *c)
{
    for (int t = 0; t < c->truths; t++)
        for (int i = 0; i < c->lines; i++) {
            const json_t *scores = json_object_get(c->methods[t], c->line[i].method);
            double ari = value_of(scores, "ari"), ami = value_of(scores, "ami");
            if (ari < c->low) c->low = ari;
            if (ami < c->low) c->low = ami;
        }
    c->low -= 0.02;
}

/* ---- the picture ---- */

/* y, ARI, AMI, purity, colour of each line. */
static void write_values(plot *p, const chart *c, int truth)
{
    fprintf(p->to, "$panel%d << EOD\n", truth);
    for (int i = 0; i < c->lines; i++) {
        const line *l = &c->line[i];
        const json_t *scores = json_object_get(c->methods[truth], l->method);
        double value[] = {value_of(scores, "ari"), value_of(scores, "ami"), value_of(scores, "purity")};
        fprintf(p->to, "%.2f", l->y);
        for (int v = 0; v < 3; v++) fprintf(p->to, isfinite(value[v]) ? " %.5f" : " NaN", value[v]);
        fprintf(p->to, " %u\n", l->space ? plot_colour(l->group) : 0xb0b0b0u);
    }
    fputs("EOD\n", p->to);
}

/* "kmeans_raw" of space raw is "kmeans": the group says the rest. */
static void write_name(plot *p, const line *l)
{
    char text[96], name[96];
    size_t length = strlen(l->method), tail = l->space ? strlen(l->space) + 1 : 0;
    bool said = tail > 1 && length > tail && l->method[length - tail] == '_' &&
                strcmp(l->method + length - tail + 1, l->space) == 0;
    snprintf(text, sizeof text, "%.*s", (int)(said ? length - tail : length), l->method);
    plot_tic(p, plot_short(text, 18, name));
}

/* Names at the left of the first panel, and the space of each group in its colour. */
static void write_names(plot *p, const chart *c)
{
    char name[96];
    fputs("set ytics scale 0 font ',13' (", p->to);
    for (int i = 0; i < c->lines; i++) {
        fputs(i > 0 ? ", " : "", p->to);
        write_name(p, &c->line[i]);
        fprintf(p->to, " %.2f", c->line[i].y);
    }
    fputs(")\n", p->to);
    for (int g = 0; g < c->groups; g++) {
        double first = c->bottom, last = 0;
        for (int i = 0; i < c->lines; i++) {
            if (c->line[i].group != g) continue;
            if (c->line[i].y < first) first = c->line[i].y;
            if (c->line[i].y > last) last = c->line[i].y;
        }
        fputs("set label ", p->to);
        plot_text(p, plot_short(c->space[g], 10, name));
        fprintf(p->to, " at screen 0.012, first %.2f left font 'DejaVu Sans Bold,13' tc rgb '#%06x'\n",
                (first + last) / 2, plot_colour(g));
    }
}

/* In the first panel: what bars and points are. */
static void write_key(plot *p)
{
    fputs("set label 'ARI: bar and number' at screen 0.185, screen KEY left offset 1,0 font ',12' point pt 5 "
          "ps "
          "1.6 lc rgb '#0072b2'\n"
          "set label 'AMI' at screen 0.34, screen KEY left offset 1,0 font ',12' point pt 7 ps 1.2 lc rgb "
          "'#222222'\n"
          "set label 'purity; dashed: that of chance' at screen 0.405, screen KEY left offset 1,0 font ',12' "
          "point pt 13 ps 1.5 lc rgb '#9a9a9a'\n",
          p->to);
}

/* The purity that chance has is not 0 and depends on the truth: a line through the panel. */
static void write_chance(plot *p, const chart *c, int truth)
{
    double purity = value_of(json_object_get(c->methods[truth], "chance"), "purity");
    fputs("unset arrow\n", p->to);
    if (isfinite(purity))
        fprintf(p->to,
                "set arrow from %.5f, graph 0 to %.5f, graph 1 nohead dt 2 lw 1.5 lc rgb '#999999' back\n",
                purity, purity);
}

static void write_panel(plot *p, const chart *c, int truth)
{
    double left = 0.17, right = 0.965, gap = 0.055, width = (right - left + gap) / c->truths - gap;
    double from = left + truth * (width + gap);
    char heading[128];
    fprintf(p->to, "set lmargin at screen %.4f\nset rmargin at screen %.4f\n", from, from + width);
    if (truth == 0) {
        write_key(p);
        write_names(p, c);
    } else {
        fputs("unset ytics\n", p->to);
    }
    write_chance(p, c, truth);
    snprintf(heading, sizeof heading, "%.80s", c->truth[truth]);
    for (char *at = heading; *at; at++) *at = *at == '_' ? ' ' : *at;
    fputs("set label 100 ", p->to);
    plot_text(p, heading);
    fputs(" at graph 0,1.03 left font 'DejaVu Sans Bold,14' tc rgb '#444444'\n", p->to);
    fprintf(
        p->to,
        "plot $panel%d using 2:1:(0):2:($1-0.38):($1+0.38):5 with boxxyerror fs solid 0.85 noborder lc "
        "rgb variable notitle, '' using (1):1:(sprintf('%%.2f', abs($2) < 0.005 ? 0 : "
        "$2)) with labels left offset 0.3,0 font ',11' tc rgb '#444444' notitle, '' using 4:1 with points "
        "pt 13 ps 1.5 lc rgb '#9a9a9a' notitle, '' using 3:1 with points "
        "pt 7 ps 1.2 lc rgb '#222222' notitle\nunset label\n",
        truth);
}

static tt_status draw_chart(const char *folder, chart *c)
{
    plot p;
    place_lines(c);
    find_range(c);
    int height = 270 + (int)(32 * (c->bottom + 1));
    TT_TRY(plot_begin(&p, folder, "scores.png", 1600, height));
    p.panel_left = 0.012;
    for (int t = 0; t < c->truths; t++) write_values(&p, c, t);
    plot_title(&p, "How well the clusters agree with the labels",
               c->told ? "1 is a perfect match; but the model was given the genre as its condition, so "
                         "that the truth went in"
                       : "1 is a perfect match; ARI and AMI of chance are 0; the rest of the scores is in "
                         "scores.txt");
    fprintf(p.to,
            "KEY = %.4f\nset tmargin at screen %.4f\nset bmargin at screen %.4f\nset border 0\nset xrange "
            "[%.3f:1]\n"
            "set yrange [%.2f:-0.6]\nset xtics 0,0.2,1 scale 0 font ',12' format '%%g'\nset grid xtics "
            "noytics\nunset key\nset multiplot\n",
            1 - 125.0 / height, 1 - 195.0 / height, 60.0 / height, c->low, c->bottom - 0.4);
    for (int t = 0; t < c->truths; t++) write_panel(&p, c, t);
    fputs("unset multiplot\n", p.to);
    return plot_draw(&p, TT_OK);
}

tt_status draw_scores(const char *folder, const json_t *metrics)
{
    chart c = {0};
    json_t *root = json_deep_copy(metrics); /* jansson iterates over what is not const */
    tt_status s = TT_OK;
    find_truths(root, &c);
    if (c.truths > 0) {
        find_lines(&c);
        s = draw_chart(folder, &c);
    } else {
        leave_out(folder, "scores.png", "no row has a known genre or language to score against");
    }
    json_decref(root);
    return s;
}
