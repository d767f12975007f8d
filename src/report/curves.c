/* training_curves.png: loss, reconstruction and validation on the left, KL on the right. */
#include "report/internal.h"

#include <math.h>

static int64_t best_epoch(const history *h)
{
    int64_t best = -1;
    for (int64_t i = 0; h->val_loss && i < h->n; i++)
        if (isfinite(h->val_loss[i]) && (best < 0 || h->val_loss[i] < h->val_loss[best])) best = i;
    return best;
}

static void write_number(FILE *to, const double *column, int64_t i)
{
    if (column && isfinite(column[i]))
        fprintf(to, " %.9g", column[i]);
    else
        fputs(" NaN", to);
}

static void write_data(plot *p, const history *h)
{
    fputs("$history << EOD\n", p->to);
    for (int64_t i = 0; i < h->n; i++) {
        write_number(p->to, h->epoch, i);
        write_number(p->to, h->loss, i);
        write_number(p->to, h->reconstruction, i);
        write_number(p->to, h->val_loss, i);
        write_number(p->to, h->kl, i);
        fputc('\n', p->to);
    }
    fputs("EOD\n", p->to);
}

static bool has_numbers(const double *column, int64_t n)
{
    for (int64_t i = 0; column && i < n; i++)
        if (isfinite(column[i])) return true;
    return false;
}

/* One curve, with points where there are few epochs. */
static void write_curve(plot *p, const history *h, const double *values, int column, const char *title,
                        unsigned colour, const char *dash, const char **separator)
{
    bool few = h->n <= 40;
    if (!has_numbers(values, h->n)) return;
    fprintf(p->to, "%s$history using 1:%d with %s lw 3 lc rgb '#%06x' dt %s%s title '%s'", *separator, column,
            few ? "linespoints" : "lines", colour, dash, few ? " pt 7 ps 0.9" : "", title);
    *separator = ", ";
}

static void write_title(plot *p, const history *h)
{
    char title[128], subtitle[256];
    int64_t best = best_epoch(h), last = h->n - 1;
    int used = 0;
    snprintf(title, sizeof title, "Training of the autoencoder, %lld epoch%s", (long long)h->n,
             h->n == 1 ? "" : "s");
    if (h->loss) used = snprintf(subtitle, sizeof subtitle, "final loss %.5g", h->loss[last]);
    if (best >= 0)
        snprintf(subtitle + used, sizeof subtitle - (size_t)used,
                 "%svalidation %.5g, lowest %.5g at epoch %.0f", used ? "; " : "", h->val_loss[last],
                 h->val_loss[best], h->epoch ? h->epoch[best] : (double)best);
    else
        snprintf(subtitle + used, sizeof subtitle - (size_t)used, "; no validation rows were held out");
    plot_title(p, title, subtitle);
}

/* A range with a margin, also where all values are the same. */
static void write_ranges(plot *p, const history *h)
{
    double first = h->epoch ? h->epoch[0] : 0, last = h->epoch ? h->epoch[h->n - 1] : 0;
    double margin = last > first ? 0.02 * (last - first) : 0.5;
    fprintf(p->to, "set xrange [%.9g:%.9g]\nset offsets 0,0,graph 0.06,graph 0.06\n", first - margin,
            last + margin);
}

tt_status draw_curves(const char *folder, const history *h)
{
    plot p;
    const char *separator = "plot ";
    TT_TRY(plot_begin(&p, folder, "training_curves.png", 1600, 900));
    p.panel_left = 0.07;
    write_data(&p, h);
    write_title(&p, h);
    write_ranges(&p, h);
    fputs("set multiplot\nset xlabel 'epoch'\nset key horizontal center bottom outside maxrows 1 Left "
          "reverse samplen 2.5 width 2\n"
          "set lmargin at screen 0.07\nset rmargin at screen 0.62\nset tmargin at screen 0.84\nset bmargin "
          "at screen 0.17\n"
          "set label 1 'loss per row' at graph 0,1.03 left font 'DejaVu Sans Bold,14' tc rgb '#444444'\n",
          p.to);
    write_curve(&p, h, h->loss, 2, "training loss", plot_colour(0), "1", &separator);
    write_curve(&p, h, h->reconstruction, 3, "reconstruction part", plot_colour(4), "(12,6)", &separator);
    write_curve(&p, h, h->val_loss, 4, "validation loss", plot_colour(1), "1", &separator);
    fputs("\nunset label 101\nunset label 102\nset lmargin at screen 0.70\nset rmargin at screen 0.975\n"
          "set label 1 'KL divergence from the prior'\n",
          p.to);
    separator = "plot ";
    write_curve(&p, h, h->kl, 5, "KL divergence", plot_colour(2), "1", &separator);
    fputs("\nunset multiplot\n", p.to);
    return plot_draw(&p, TT_OK);
}
