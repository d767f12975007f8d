/* mel_examples.png: the log-mel picture of one clip per genre. */
#include "report/internal.h"

#include <math.h>

enum { ACROSS = 3 };

/* Slaney's mel scale (linear below 1 kHz), or HTK's, as librosa.hz_to_mel. */
static double mel_of(double hz, bool htk)
{
    if (htk) return 2595 * log10(1 + hz / 700);
    return hz < 1000 ? hz * 3 / 200 : 15 + log(hz / 1000) * 27 / log(6.4);
}

/* Mel band (from 0) whose centre is at `hz`. */
static double band_of(const mel_axes *a, double hz)
{
    double low = mel_of(a->fmin, a->htk), high = mel_of(a->fmax, a->htk);
    return (mel_of(hz, a->htk) - low) / (high - low) * (double)(a->n_mels + 1) - 1;
}

static void write_band_tics(plot *p, const mel_axes *a)
{
    static const double hz[] = {250, 500, 1000, 2000, 4000, 8000, 16000};
    const char *separator = "";
    if (!(a->fmax > a->fmin)) {
        fputs("set ytics auto nomirror out scale 0.4 textcolor rgb '#444444'\n", p->to);
        return;
    }
    fputs("set ytics nomirror out scale 0.4 textcolor rgb '#444444' (", p->to);
    for (size_t i = 0; i < sizeof hz / sizeof hz[0]; i++) {
        double band = band_of(a, hz[i]);
        if (band < 0 || band > (double)a->n_mels - 1) continue;
        fprintf(p->to, "%s'%.0f' %.4f", separator, hz[i], band);
        separator = ", ";
    }
    fputs(")\n", p->to);
}

static void write_values(plot *p, const mel_axes *a, const float *db, int i)
{
    fprintf(p->to, "$mel_%d << EOD\n", i);
    for (int64_t m = 0; m < a->n_mels; m++) {
        for (int64_t f = 0; f < a->frames; f++) fprintf(p->to, "%.1f ", (double)db[m * a->frames + f]);
        fputc('\n', p->to);
    }
    fputs("EOD\n", p->to);
}

static double seconds_per_frame(const mel_axes *a)
{
    return a->sample_rate > 0 && a->hop_length > 0 ? a->hop_length / a->sample_rate : 0;
}

static void write_panel(plot *p, const mel_axes *a, const mel_example *e, int i, int n)
{
    int across = n < ACROSS ? n : ACROSS, down = (n + across - 1) / across;
    double left = 0.068, right = 0.925, top = 0.86, bottom = 0.085, gap_x = 0.02, gap_y = 0.065;
    double width = (right - left - gap_x * (across - 1)) / across,
           height = (top - bottom - gap_y * (down - 1)) / down;
    double x = left + i % across * (width + gap_x), y = top - i / across * (height + gap_y);
    double frame = seconds_per_frame(a);
    bool lowest = i + across >= n, leftmost = i % across == 0;
    char heading[96];
    fprintf(
        p->to,
        "set lmargin at screen %.4f\nset rmargin at screen %.4f\nset tmargin at screen %.4f\nset bmargin at "
        "screen %.4f\nset label 1 ",
        x, x + width, y, y - height);
    plot_text(p, plot_short(e->genre, 22, heading));
    fputs(" at graph 0,1.06 left font 'DejaVu Sans Bold,13' tc rgb '#333333'\n", p->to);
    fprintf(p->to, "set format y '%s'\nset format x '%s'\nset xlabel '%s'\nset ylabel '%s'\n",
            leftmost ? "%h" : "", lowest ? "%h" : "",
            !lowest     ? ""
            : frame > 0 ? "time in the clip (s)"
                        : "frame",
            !leftmost           ? ""
            : a->fmax > a->fmin ? "frequency (Hz, mel scale)"
                                : "mel band");
    if (leftmost)
        write_band_tics(p, a);
    else
        fputs("unset ytics\n", p->to);
    fputs(i == 0 ? "set colorbox user origin screen 0.94,0.3 size screen 0.013,0.4 noborder\n"
                 : "unset colorbox\n",
          p->to);
    fprintf(p->to,
            "plot $mel_%d matrix using ($1*%.9g):2:3 with image notitle\nunset label 101\nunset label 102\n",
            i, frame > 0 ? frame : 1);
}

tt_status draw_mel(const char *folder, const mel_axes *a, const mel_example *examples, int n)
{
    plot p;
    char subtitle[256];
    double frame = seconds_per_frame(a);
    TT_TRY(plot_begin(&p, folder, "mel_examples.png", 1600, n > 2 * ACROSS ? 1100 : n > ACROSS ? 900 : 700));
    p.panel_left = 0.068;
    for (int i = 0; i < n; i++) write_values(&p, a, examples[i].db, i);
    snprintf(subtitle, sizeof subtitle,
             "log-mel spectrogram of one clip drawn at random per genre, the %d largest; %lld bands x %lld "
             "frames, "
             "dB below the clip's maximum",
             n, (long long)a->n_mels, (long long)a->frames);
    plot_title(&p, "What the clips look like", subtitle);
    fprintf(
        p.to,
        "unset grid\nset border 0\nset tics scale 0.4\nset cbrange [%.0f:0]\nset cblabel 'dB' offset 0.3,0\n"
        "set palette defined (0 '#000004', 0.13 '#1c1044', 0.25 '#4f127b', 0.38 '#812581', 0.5 '#b5367a', "
        "0.63 '#e55064', "
        "0.75 '#fb8761', 0.88 '#fec287', 1 '#fcfdbf')\n"
        "set xrange [%.6g:%.6g]\nset yrange [-0.5:%lld-0.5]\nset multiplot\n",
        a->floor, -0.5 * (frame > 0 ? frame : 1), ((double)a->frames - 0.5) * (frame > 0 ? frame : 1),
        (long long)a->n_mels);
    for (int i = 0; i < n; i++) write_panel(&p, a, &examples[i], i, n);
    fputs("unset multiplot\n", p.to);
    return plot_draw(&p, TT_OK);
}
