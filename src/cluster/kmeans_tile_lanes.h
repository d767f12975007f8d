/* The kernel of kmeans_tile.c for vectors of LANES floats; included once for each width, with FLOATS, MARKS
 * (types), CENTRES (as many sums at a time as registers hold), INTERLEAVE_LOW, INTERLEAVE_HIGH (of two
 * vectors), NEAREST, PACK (names) and KERNEL (targets) defined, all of which end here. */

enum { CAT(NEAREST, _parts) = TILE / LANES };

/* Blocks of LANES x LANES: rows become columns in log2(LANES) rounds of interleaving the first half with the
 * second. */
KERNEL static void PACK(const float *const *row, int64_t cols, float *packed)
{
    int64_t j = 0;
    for (; j + LANES <= cols; j += LANES)
        for (int from = 0; from < TILE; from += LANES) {
            FLOATS v[LANES], w[LANES];
            for (int r = 0; r < LANES; r++) memcpy(&v[r], row[from + r] + j, sizeof v[r]);
            for (int round = 1; round < LANES; round *= 2) {
                for (int i = 0; i < LANES / 2; i++) {
                    w[2 * i] = INTERLEAVE_LOW(v[i], v[i + LANES / 2]);
                    w[2 * i + 1] = INTERLEAVE_HIGH(v[i], v[i + LANES / 2]);
                }
                memcpy(v, w, sizeof w);
            }
            for (int c = 0; c < LANES; c++) memcpy(packed + (j + c) * TILE + from, &v[c], sizeof v[c]);
        }
    for (; j < cols; j++)
        for (int r = 0; r < TILE; r++) packed[j * TILE + r] = row[r][j];
}

/* A row per lane: a product takes a broadcast centre, and the arg-min nothing across lanes. */
KERNEL static void NEAREST(const float *packed, int64_t cols, int64_t panels, const float *columns,
                           const float *low, tile_nearest *out)
{
    enum { PARTS = CAT(NEAREST, _parts) };
    FLOATS best[PARTS], second[PARTS];
    MARKS index[PARTS];
    for (int part = 0; part < PARTS; part++) {
        best[part] = second[part] = (FLOATS){0} + INFINITY;
        index[part] = (MARKS){0};
    }
    for (int64_t first = 0; first < panels * TILE; first += CENTRES) {
        const float *centre = columns + first / TILE * cols * TILE + first % TILE;
        FLOATS sum[CENTRES][PARTS] = {{{0}}};
        for (int64_t j = 0; j < cols; j++, centre += TILE) {
            FLOATS rows[PARTS];
            memcpy(rows, packed + j * TILE, sizeof rows);
            UNROLL for (int c = 0; c < CENTRES; c++) UNROLL for (int part = 0; part < PARTS; part++)
                sum[c][part] += rows[part] * centre[c];
        }
        UNROLL for (int c = 0; c < CENTRES; c++) UNROLL for (int part = 0; part < PARTS; part++)
        {
            FLOATS value = sum[c][part] + low[first + c];
            MARKS wins = value < best[part];
            FLOATS loser = PICK(FLOATS, MARKS, wins, best[part], value);
            best[part] = PICK(FLOATS, MARKS, wins, value, best[part]);
            index[part] = PICK(MARKS, MARKS, wins, (MARKS){0} + (int32_t)(first + c), index[part]);
            MARKS closer = loser < second[part];
            second[part] = PICK(FLOATS, MARKS, closer, loser, second[part]);
        }
    }
    memcpy(out->best, best, sizeof best);
    memcpy(out->second, second, sizeof second);
    memcpy(out->index, index, sizeof index);
}

#undef LANES
#undef FLOATS
#undef MARKS
#undef CENTRES
#undef INTERLEAVE_LOW
#undef INTERLEAVE_HIGH
#undef NEAREST
#undef PACK
#undef KERNEL
