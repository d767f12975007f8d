/* latent_by_genre.png, latent_by_cluster.png and so on: the first two principal components, coloured by
 * class. */
#include "report/internal.h"

#include "tutti/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_ENTRIES = PLOT_COLOURS };

/* Which colour each class has: by size, largest first; classes beyond the palette share grey. */
typedef struct legend {
    int64_t shown;  /* classes with a colour of their own */
    int64_t *class; /* [of->n] by size */
    int64_t *place; /* [of->n] inverse of `class` */
    int64_t others, other_rows;
} legend;

static int compare_sizes(const void *a, const void *b, void *context)
{
    const classes *of = context;
    int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    if (of->size[i] != of->size[j]) return of->size[i] > of->size[j] ? -1 : 1;
    return i < j ? -1 : i > j;
}

static int compare_indices(const void *a, const void *b)
{
    const int64_t *i = a, *j = b;
    return (*i > *j) - (*i < *j);
}

static tt_status legend_new(const classes *of, legend *l)
{
    classes by_size = *of;
    *l = (legend){.shown = of->n < KEY_ENTRIES ? of->n : KEY_ENTRIES};
    TT_TRY(tt_alloc(of->n, sizeof *l->class, "a legend", &l->class));
    TT_TRY(tt_alloc(of->n, sizeof *l->place, "a legend", &l->place));
    for (int64_t i = 0; i < of->n; i++) l->class[i] = i;
    qsort_r(l->class, (size_t)of->n, sizeof *l->class, compare_sizes, &by_size);
    qsort(l->class, (size_t)l->shown, sizeof *l->class, compare_indices); /* listed in their own order */
    for (int64_t i = 0; i < of->n; i++) {
        l->place[l->class[i]] = i;
        if (i < l->shown) continue;
        l->others++;
        l->other_rows += of->size[l->class[i]];
    }
    return TT_OK;
}

static void legend_free(legend *l)
{
    free(l->class);
    free(l->place);
}

/* x, y and colour with transparency, which grows with the number of points. */
static void write_points(plot *p, const scatter *s, const legend *l, kind by)
{
    unsigned alpha = s->n <= 1000 ? 0x30 : s->n <= 5000 ? 0x50 : 0x70;
    fputs("$points << EOD\n", p->to);
    for (int pass = 0; pass < 2; pass++) /* rows of no class of their own lie below the others */
        for (int64_t i = 0; i < s->n; i++) {
            const point *q = &s->point[i];
            int32_t c = q->class[by];
            bool named = c >= 0 && l->place[c] < l->shown;
            if (named != (pass == 1)) continue;
            unsigned colour = named ? plot_colour(l->place[c]) : plot_colour(-1);
            fprintf(p->to, "%.7g %.7g %u\n", (double)q->x, (double)q->y, alpha << 24 | colour);
        }
    fputs("EOD\n", p->to);
}

static void write_key(plot *p, const char *name, int64_t rows, unsigned colour)
{
    char count[32], short_name[96], line[160];
    snprintf(line, sizeof line, "%s  (%s)", plot_short(name, 20, short_name), plot_count(rows, count));
    fprintf(p->to, ", NaN with points pt 7 ps 1.8 lc rgb '#%06x' title ", colour);
    plot_text(p, line);
}

static void write_keys(plot *p, const legend *l, const classes *of, int64_t unclassed, kind by)
{
    char line[64];
    for (int64_t i = 0; i < l->shown; i++)
        write_key(p, of->name[l->class[i]], of->size[l->class[i]], plot_colour(i));
    snprintf(line, sizeof line, "%lld others", (long long)l->others);
    if (l->others > 0) write_key(p, line, l->other_rows, plot_colour(-1));
    if (unclassed > 0) write_key(p, kind_words_of[by].the_rest, unclassed, plot_colour(-1));
}

static void write_axis(plot *p, const char *axis, int component, double share)
{
    if (isfinite(share))
        fprintf(p->to, "set %slabel 'principal component %d (%.1f %% of the variance)'\n", axis, component,
                100 * share);
    else
        fprintf(p->to, "set %slabel 'principal component %d'\n", axis, component);
}

static void write_title(plot *p, const run_rows *r, const scatter *s, kind by, const json_t *metrics)
{
    char title[128], subtitle[256], rows[32], shown[32];
    const kind_words *words = &kind_words_of[by];
    int64_t n = r->of[by].classes.n;
    const char *of = n > 1 ? words->many : by < TRUTHS ? words->one : "cluster";
    snprintf(title, sizeof title, "Latent space by %s", words->one);
    size_t used = (size_t)snprintf(subtitle, sizeof subtitle, "%s %s, %lld %s", plot_count(s->rows, rows),
                                   rows_word(r), (long long)n, of);
    if (s->n < s->rows)
        used += (size_t)snprintf(subtitle + used, sizeof subtitle - used, "; a random sample of %s is shown",
                                 plot_count(s->n, shown));
    for (int t = 0; by >= TRUTHS && t < TRUTHS; t++) {
        double ari = score_of(metrics, kind_words_of[t].key, words->key, "ari");
        if (isfinite(ari))
            used += (size_t)snprintf(subtitle + used, sizeof subtitle - used, "; against %s: ARI %.3f",
                                     kind_words_of[t].many, ari);
    }
    plot_title(p, title, subtitle);
}

static int64_t unclassed_rows(const scatter *s, const classes *of)
{
    int64_t rows = s->rows;
    for (int64_t i = 0; i < of->n; i++) rows -= of->size[i];
    return rows;
}

static double point_size(int64_t n)
{
    return n <= 500 ? 1.5 : n <= 2000 ? 1.1 : n <= 8000 ? 0.8 : 0.6;
}

tt_status draw_scatter(const char *folder, const run_rows *r, const scatter *s, kind by,
                       const json_t *metrics)
{
    plot p;
    legend l;
    char name[64];
    const classes *of = &r->of[by].classes;
    snprintf(name, sizeof name, "latent_by_%s.png", kind_words_of[by].file);
    TT_TRY(plot_begin(&p, folder, name, 1600, 1000));
    p.panel_left = 0.06;
    tt_status status = legend_new(of, &l);
    if (status == TT_OK) {
        write_points(&p, s, &l, by);
        write_title(&p, r, s, by, metrics);
        write_axis(&p, "x", 1, s->share[0]);
        write_axis(&p, "y", 2, s->share[1]);
        fprintf(p.to,
                "set lmargin at screen 0.06\nset rmargin at screen 0.80\nset tmargin at screen 0.885\nset "
                "bmargin at "
                "screen 0.085\nset offsets graph 0.03,graph 0.03,graph 0.03,graph 0.03\n"
                "set key at screen 0.815,0.88 left top Left reverse vertical samplen 0.5 spacing 1.25 font "
                "',13'\n"
                "plot $points using 1:2:3 with points pt 7 ps %.2f lc rgb variable notitle",
                point_size(s->n));
        write_keys(&p, &l, of, unclassed_rows(s, of), by);
        fputc('\n', p.to);
    }
    legend_free(&l);
    return plot_draw(&p, status);
}
