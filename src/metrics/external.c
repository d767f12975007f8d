#include "metrics/internal.h"

#include "tutti/memory.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

__extension__ typedef unsigned __int128 wide; /* pair counts of 2^31 rows and more */

/* Sizes of clusters and of classes, and where a class is found. */
typedef struct margins {
    int64_t n; /* rows */
    int64_t clusters, classes;
    int64_t *cluster;    /* [clusters] rows of each, in order of label */
    int64_t *best;       /* [clusters] rows of the most frequent class */
    int64_t *class_size; /* [classes] in order of truth */
    int32_t *class_code; /* [classes] ascending */
} margins;

static int compare_codes(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int64_t class_of(const margins *m, int32_t truth)
{
    const int32_t *at = bsearch(&truth, m->class_code, (size_t)m->classes, sizeof truth, compare_codes);
    return at - m->class_code;
}

static tt_status margins_new(const tt_cell *cells, int64_t n, margins *m)
{
    *m = (margins){0};
    TT_TRY(tt_alloc(n, sizeof *m->cluster, "cluster sizes", &m->cluster));
    TT_TRY(tt_alloc(n, sizeof *m->best, "cluster sizes", &m->best));
    TT_TRY(tt_alloc(n, sizeof *m->class_size, "class sizes", &m->class_size));
    TT_TRY(tt_alloc(n, sizeof *m->class_code, "classes", &m->class_code));
    for (int64_t i = 0; i < n; i++) {
        if (i == 0 || cells[i].label != cells[i - 1].label) m->clusters++;
        int64_t c = m->clusters - 1;
        m->n += cells[i].count;
        m->cluster[c] += cells[i].count;
        if (cells[i].count > m->best[c]) m->best[c] = cells[i].count;
        m->class_code[i] = cells[i].truth;
    }
    qsort(m->class_code, (size_t)n, sizeof *m->class_code, compare_codes);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || m->class_code[i] != m->class_code[m->classes - 1])
            m->class_code[m->classes++] = m->class_code[i];
    for (int64_t i = 0; i < n; i++) m->class_size[class_of(m, cells[i].truth)] += cells[i].count;
    return TT_OK;
}

static void margins_free(margins *m)
{
    free(m->cluster);
    free(m->best);
    free(m->class_size);
    free(m->class_code);
}

static wide squares(int64_t n, const int64_t *size)
{
    wide sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (wide)size[i] * (wide)size[i];
    return sum;
}

/* Adjusted Rand index and Fowlkes-Mallows from counts of pairs, exact up to the last division.
 * Hubert, Arabie (1985), in the form of sklearn.metrics.adjusted_rand_score. */
static void score_pairs(const tt_cell *cells, int64_t n_cells, const margins *m, tt_external_scores *out)
{
    wide both = 0, n = (wide)m->n;
    for (int64_t i = 0; i < n_cells; i++) both += (wide)cells[i].count * (wide)cells[i].count;
    wide in_cluster = squares(m->clusters, m->cluster), in_class = squares(m->classes, m->class_size);
    double tp = (double)(both - n), fp = (double)(in_cluster - both), fn = (double)(in_class - both);
    double tn = (double)(n * n + both - in_cluster - in_class);
    out->ari = 1;
    if (fp > 0 || fn > 0)
        out->ari = 2 * (tp * tn - fn * fp) / ((tp + fn) * (fn + tn) + (tp + fp) * (fp + tn));
    out->fowlkes_mallows =
        tp > 0 ? sqrt(tp / (double)(in_cluster - n)) * sqrt(tp / (double)(in_class - n)) : 0;
}

static double entropy(int64_t n, const int64_t *size, int64_t total)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double p = (double)size[i] / (double)total;
        sum -= p * log(p);
    }
    return n > 1 ? sum : 0;
}

static double mutual_information(const tt_cell *cells, int64_t n_cells, const margins *m)
{
    double sum = 0, n = (double)m->n;
    if (m->clusters == 1 || m->classes == 1) return 0;
    for (int64_t i = 0, c = -1; i < n_cells; i++) {
        if (i == 0 || cells[i].label != cells[i - 1].label) c++;
        double count = (double)cells[i].count;
        double size = (double)m->class_size[class_of(m, cells[i].truth)];
        sum += count / n * log(count / (double)m->cluster[c] * (n / size));
    }
    return sum > 0 ? sum : 0;
}

/* E[X log X] over the overlap X of random sets of sizes a and b among n: hypergeometric, summed outwards from
 * its mode by the ratio of neighbours until nothing is added. Weights relative to the mode need no log-gamma,
 * whose rounding would show at 2^31 rows. */
static double expected_overlap(double a, double b, double n)
{
    double low = fmax(0, a + b - n), high = fmin(a, b);
    double mode = fmin(high, fmax(low, floor((a + 1) * (b + 1) / (n + 2))));
    double mass = 1, sum = mode > 0 ? mode * log(mode) : 0;
    double weight = 1;
    for (double x = mode; x < high && weight > 1e-20 * mass; x++) {
        weight *= (a - x) / (x + 1) * ((b - x) / (n - a - b + x + 1));
        mass += weight;
        sum += weight * (x + 1) * log(x + 1);
    }
    weight = 1;
    for (double x = mode; x > low && weight > 1e-20 * mass; x--) {
        weight *= x / (a - x + 1) * ((n - a - b + x) / (b - x + 1));
        mass += weight;
        if (x > 1) sum += weight * (x - 1) * log(x - 1);
    }
    return sum / mass;
}

static int compare_sizes(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Sort sizes [n] and pack equal ones: size [*distinct], times [*distinct]. */
static void pack_sizes(int64_t n, int64_t *size, int64_t *times, int64_t *distinct)
{
    int64_t k = 0;
    qsort(size, (size_t)n, sizeof *size, compare_sizes);
    for (int64_t i = 0; i < n; i++) {
        if (k > 0 && size[i] == size[k - 1]) {
            times[k - 1]++;
        } else {
            size[k] = size[i];
            times[k++] = 1;
        }
    }
    *distinct = k;
}

/* Expected mutual information of two random labellings with these sizes (Vinh, Epps, Bailey 2010). Equal
 * sizes are done once: there are at most sqrt(2 n) distinct ones. Packs the sizes in `m`. */
static tt_status expected_information(margins *m, double *out)
{
    int64_t *times;
    int64_t sizes, class_sizes;
    TT_TRY(tt_alloc(m->clusters + m->classes, sizeof *times, "cluster sizes", &times));
    pack_sizes(m->clusters, m->cluster, times, &sizes);
    pack_sizes(m->classes, m->class_size, times + m->clusters, &class_sizes);
    double n = (double)m->n, sum = 0;
    for (int64_t i = 0; i < sizes; i++) {
        for (int64_t j = 0; j < class_sizes; j++) {
            double a = (double)m->cluster[i], b = (double)m->class_size[j];
            double both =
                a * b / n; /* the expected overlap; E[X log(n X / (a b))] = E[X log X] - both log(both) */
            double term = expected_overlap(a, b, n) - both * log(both);
            sum += (double)times[i] * (double)times[m->clusters + j] * (term / n);
        }
    }
    free(times);
    *out = sum;
    return TT_OK;
}

static tt_status score_information(const tt_cell *cells, int64_t n_cells, margins *m, tt_external_scores *out)
{
    double cluster = entropy(m->clusters, m->cluster, m->n), truth = entropy(m->classes, m->class_size, m->n);
    double mutual = mutual_information(cells, n_cells, m), mean = (cluster + truth) / 2, expected;
    bool same = n_cells == m->clusters && n_cells == m->classes; /* every cluster is a class */
    double h = out->homogeneity = truth > 0 ? mutual / truth : 1;
    double c = out->completeness = cluster > 0 ? mutual / cluster : 1;
    out->v_measure = h + c > 0 ? 2 * h * c / (h + c) : 0;
    out->nmi = same ? 1 : mutual > 0 ? mutual / mean : 0;
    TT_TRY(expected_information(m, &expected));
    double room = mean - expected;
    room = room < 0 ? fmin(room, -DBL_EPSILON) : fmax(room, DBL_EPSILON);
    out->ami = same ? 1 : (mutual - expected) / room;
    return TT_OK;
}

tt_status score_cells(const tt_cell *cells, int64_t n_cells, tt_external_scores *out)
{
    margins m;
    *out = (tt_external_scores){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0, 0, 0};
    tt_status s = margins_new(cells, n_cells, &m);
    if (s == TT_OK && m.n > 0) {
        out->rows = m.n;
        out->clusters = m.clusters;
        out->classes = m.classes;
        int64_t pure = 0;
        for (int64_t i = 0; i < m.clusters; i++) pure += m.best[i];
        out->purity = (double)pure / (double)m.n;
        score_pairs(cells, n_cells, &m, out);
        s = score_information(cells, n_cells, &m, out);
    }
    margins_free(&m);
    return s;
}

tt_status tt_score_external(const tt_comm *comm, int64_t count, const int32_t *label, const int32_t *truth,
                            tt_external_scores *out)
{
    tt_cell *cells;
    int64_t n;
    TT_TRY(tt_contingency(comm, count, label, truth, &cells, &n));
    tt_status s = tt_agree(comm, score_cells(cells, n, out));
    free(cells);
    return s;
}
