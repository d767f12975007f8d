#include "gram.h"

#include "panels.h"

#include "tutti/integer.h"
#include "tutti/memory.h"
#include "tutti/sum.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

static bool is_valid(const tt_matrix *x, int64_t row)
{
    return row < x->count && x->valid[row];
}

void centre_block(const tt_matrix *x, const double *mean, int64_t first, double *block)
{
    for (int64_t r = 0; r < TT_BLOCK_ROWS; r++) {
        double *to = block + r * x->cols;
        const float *row = x->data + (first + r) * x->cols;
        if (is_valid(x, first + r))
            for (int64_t j = 0; j < x->cols; j++) to[j] = (double)row[j] + (x->shift[j] - mean[j]);
        else
            memset(to, 0, (size_t)x->cols * sizeof *to);
    }
}

void centre_columns(const tt_matrix *x, const double *mean, int64_t first, int64_t width, float *block)
{
    for (int64_t r = 0; r < TT_BLOCK_ROWS; r++) {
        const float *row = x->data + (first + r) * x->cols;
        for (int64_t j = 0; j < x->cols; j += width) {
            float *to = block + j * TT_BLOCK_ROWS + r * width;
            int64_t n = tt_smaller(width, x->cols - j);
            if (is_valid(x, first + r))
                for (int64_t c = 0; c < n; c++)
                    to[c] = (float)((double)row[j + c] + (x->shift[j + c] - mean[j + c]));
            else
                memset(to, 0, (size_t)n * sizeof *to);
        }
    }
}

static tt_status sum_blocks(const tt_matrix *x, const double *mean, double *block, tt_blocksum *sum)
{
    int d = (int)x->cols;
    for (int64_t first = 0; first < x->count; first += TT_BLOCK_ROWS) {
        double *partial = tt_blocksum_room(sum); /* the lower triangle stays as it is, and finite */
        if (!partial) return TT_ERR_MEMORY;
        centre_block(x, mean, first, block);
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, d, TT_BLOCK_ROWS, 1.0, block, d, 0.0, partial, d);
        tt_blocksum_commit(sum);
    }
    return TT_OK;
}

tt_status gram_sum(const tt_matrix *x, const double *mean, double *out)
{
    double *block = NULL;
    tt_blocksum *sum = NULL;
    tt_status s = tt_alloc(TT_BLOCK_ROWS * x->cols, sizeof *block, "a block of rows", &block);
    if (s == TT_OK) s = tt_blocksum_new(x->cols * x->cols, x->first / TT_BLOCK_ROWS, &sum);
    if (s == TT_OK) s = sum_blocks(x, mean, block, sum);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, x->comm, TT_OK, out);
    tt_blocksum_free(sum);
    free(block);
    return s;
}

/* Products of two panels of a block. */
static void multiply_panels(const float *x, const float *y, double *out)
{
    double tile[PANEL_SQUARE] = {0};
    for (int64_t r = 0; r < TT_BLOCK_ROWS * PANEL; r += PANEL_STRIP * PANEL)
        panel_inner_narrow(x + r, y + r, tile);
    memcpy(out, tile, sizeof tile);
}

/* Partial sums are tiles of PANEL x PANEL, those of the upper triangle row by row. */
static tt_status sum_tiles(const tt_matrix *x, const double *about, int64_t panels, float *block,
                           tt_blocksum *sum)
{
    const int64_t size = TT_BLOCK_ROWS * PANEL;
    for (int64_t first = 0; first < x->count; first += TT_BLOCK_ROWS) {
        double *tile = tt_blocksum_room(sum);
        if (!tile) return TT_ERR_MEMORY;
        centre_columns(x, about, first, PANEL, block);
        for (int64_t i = 0; i < panels; i++)
            for (int64_t j = i; j < panels; j++, tile += PANEL_SQUARE)
                multiply_panels(block + i * size, block + j * size, tile);
        tt_blocksum_commit(sum);
    }
    return TT_OK;
}

static void lay_out(int64_t d, int64_t panels, const double *tile, double *out)
{
    for (int64_t i = 0; i < panels; i++)
        for (int64_t j = i; j < panels; j++, tile += PANEL_SQUARE)
            for (int64_t a = 0; a < tt_smaller(PANEL, d - i * PANEL); a++)
                memcpy(out + (i * PANEL + a) * d + j * PANEL, tile + a * PANEL,
                       (size_t)tt_smaller(PANEL, d - j * PANEL) * sizeof *out);
}

/* The upper triangle of products about the mean, of those about something else. */
static void move_to_mean(const tt_matrix *x, const double *mean, const double *about, double *out)
{
    int64_t d = x->cols;
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = i; j < d; j++)
            out[i * d + j] -= (double)x->n_valid * (mean[i] - about[i]) * (mean[j] - about[j]);
}

tt_status gram_sum_narrow(const tt_matrix *x, const double *mean, const double *deviation, double *out)
{
    int64_t panels = tt_ceil_div(x->cols, PANEL), tiles = panels * (panels + 1) / 2;
    float *block = NULL;
    double *tile = NULL, *about = NULL;
    tt_blocksum *sum = NULL;
    tt_status s = tt_alloc(panels * PANEL * TT_BLOCK_ROWS, sizeof *block, "a block of rows", &block);
    if (s == TT_OK) s = tt_alloc(tiles * PANEL_SQUARE, sizeof *tile, "a covariance matrix", &tile);
    if (s == TT_OK) s = tt_alloc(x->cols, sizeof *about, "column means", &about);
    for (int64_t j = 0; s == TT_OK && j < x->cols; j++)
        about[j] = deviation[j] > 0 ? tt_rounded_mean(mean[j], deviation[j] * deviation[j]) : mean[j];
    if (s == TT_OK) s = tt_blocksum_new(tiles * PANEL_SQUARE, x->first / TT_BLOCK_ROWS, &sum);
    if (s == TT_OK) s = sum_tiles(x, about, panels, block, sum);
    s = tt_agree(x->comm, s);
    if (s == TT_OK) s = tt_blocksum_finish(sum, x->comm, TT_OK, tile);
    if (s == TT_OK) lay_out(x->cols, panels, tile, out);
    if (s == TT_OK) move_to_mean(x, mean, about, out);
    tt_blocksum_free(sum);
    free(about);
    free(tile);
    free(block);
    return s;
}
