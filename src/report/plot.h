/* A picture drawn by gnuplot: the script is written to plot.to, then tt_plot_draw turns it into a PNG file.
 *
 * Every text that comes from data goes through plot_text(): a single-quoted gnuplot string, in which nothing
 * is substituted, on a terminal without enhanced text. */
#ifndef TUTTI_REPORT_PLOT_H
#define TUTTI_REPORT_PLOT_H

#include "tutti/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { PLOT_COLOURS = 19 };

typedef struct plot {
    FILE *to; /**< the script, open for writing */
    const char *folder, *name;
    char *part;        /**< FOLDER/NAME.part; owned */
    int height;        /**< pixels */
    double panel_left; /**< screen share left of the panels, for titles */
    bool told;         /**< that a font is missing */
} plot;

/** Start a picture of width x height pixels that will be FOLDER/NAME (both not owned). Not collective. */
tt_status plot_begin(plot *p, const char *folder, const char *name, int width, int height);

/** Draw it: gnuplot writes NAME.part, which is then renamed. Frees the script, also on failure and if
 * `status`, the caller's own so far, is not TT_OK (nothing is drawn then). Not collective. */
tt_status plot_draw(plot *p, tt_status status);

/** Remove FOLDER/NAME of an earlier run, if there is one. Not collective. */
void plot_remove(const char *folder, const char *name);

/** `text` as a gnuplot string, quotes included. */
void plot_text(plot *p, const char *text);

/** As plot_text(), for a tic label, which gnuplot takes for a number format. */
void plot_tic(plot *p, const char *text);

/** Title and, under it in grey, what is shown. */
void plot_title(plot *p, const char *title, const char *subtitle);

/** Colour of class i as 0xRRGGBB, distinguishable for the first PLOT_COLOURS (colour-blind-aware: the first
 * eight follow Okabe and Ito); grey beyond. */
unsigned plot_colour(int64_t i);

/** n with thousands separators into text [32]. @return text */
const char *plot_count(int64_t n, char text[32]);

/** `text` if it has at most `letters` (up to 22) code points, else its beginning and "..", into out [96].
 * @return out */
const char *plot_short(const char *text, int letters, char out[96]);

#endif
