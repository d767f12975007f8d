/* The kernel of kmeans_tile.c for vectors of LANES floats; included once for each width, with FLOATS, MARKS
 * (types), CENTRES (as many sums at a time as registers hold), INTERLEAVE_LOW, INTERLEAVE_HIGH (of two
 * vectors), NEAREST, PACK, LIST, MEASURE (names) and KERNEL (targets) defined, all of which end here. */

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
            TT_UNROLL for (int c = 0; c < CENTRES; c++) TT_UNROLL for (int part = 0; part < PARTS; part++)
                sum[c][part] += rows[part] * centre[c];
        }
        TT_UNROLL for (int c = 0; c < CENTRES; c++) TT_UNROLL for (int part = 0; part < PARTS; part++)
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

/* As above, with the smallest values in order: a value's lowest bits give way to the number of its centre, so
 * that sorting is of single floats. */
KERNEL static void LIST(const float *packed, int64_t cols, int64_t panels, const float *columns,
                        const float *low, int32_t bits, tile_list *out)
{
    enum { PARTS = CAT(NEAREST, _parts) };
    FLOATS level[KMEANS_LIST + 1][PARTS];
    for (int l = 0; l <= KMEANS_LIST; l++)
        for (int part = 0; part < PARTS; part++) level[l][part] = (FLOATS){0} + INFINITY;
    for (int64_t first = 0; first < panels * TILE; first += CENTRES) {
        const float *centre = columns + first / TILE * cols * TILE + first % TILE;
        FLOATS sum[CENTRES][PARTS] = {{{0}}};
        for (int64_t j = 0; j < cols; j++, centre += TILE) {
            FLOATS rows[PARTS];
            memcpy(rows, packed + j * TILE, sizeof rows);
            TT_UNROLL for (int c = 0; c < CENTRES; c++) TT_UNROLL for (int part = 0; part < PARTS; part++)
                sum[c][part] += rows[part] * centre[c];
        }
        TT_UNROLL for (int c = 0; c < CENTRES; c++) TT_UNROLL for (int part = 0; part < PARTS; part++)
        {
            FLOATS value = sum[c][part] + low[first + c];
            FLOATS key = (FLOATS)(((MARKS)value & ~bits) | (int32_t)(first + c));
            TT_UNROLL for (int l = 0; l <= KMEANS_LIST; l++)
            {
                MARKS wins = key < level[l][part];
                FLOATS more = PICK(FLOATS, MARKS, wins, level[l][part], key);
                FLOATS less = PICK(FLOATS, MARKS, wins, key, level[l][part]);
                level[l][part] = less;
                key = more;
            }
        }
    }
    for (int l = 0; l < KMEANS_LIST; l++)
        for (int part = 0; part < PARTS; part++) {
            MARKS centre = (MARKS)level[l][part] & bits;
            memcpy(&out->centre[l][part * LANES], &centre, sizeof centre);
        }
    memcpy(out->rest, level[KMEANS_LIST], sizeof out->rest);
}

/* Rows against a few centres each. The sums over the columns of LANES rows become one vector in log2(LANES)
 * rounds, as in PACK. */
KERNEL static void MEASURE(const float *const *row, int64_t cols, int64_t wide, const float *centres,
                           const float *low, int n, const int32_t *list, tile_nearest *out)
{
    int64_t whole = cols / LANES * LANES;
    float tail[TILE][LANES] = {{0}};
    for (int r = 0; r < TILE && whole < cols; r++)
        memcpy(tail[r], row[r] + whole, (size_t)(cols - whole) * sizeof(float));
    for (int from = 0; from < TILE; from += LANES) {
        FLOATS best = (FLOATS){0} + INFINITY, second = best;
        MARKS index = {0};
        for (int l = 0; l < n; l++) {
            const int32_t *which = list + l * TILE + from;
            FLOATS sum[LANES], bound = {0};
            MARKS number;
            TT_UNROLL for (int r = 0; r < LANES; r++)
            {
                const float *centre = centres + which[r] * wide;
                FLOATS total = {0}, u, v;
                for (int64_t j = 0; j < whole; j += LANES) {
                    memcpy(&u, row[from + r] + j, sizeof u);
                    memcpy(&v, centre + j, sizeof v);
                    total += u * v;
                }
                if (whole < cols) {
                    memcpy(&u, tail[from + r], sizeof u);
                    memcpy(&v, centre + whole, sizeof v);
                    total += u * v;
                }
                sum[r] = total;
            }
            TT_UNROLL for (int half = LANES / 2; half > 0; half /= 2) TT_UNROLL for (int r = 0; r < half; r++)
                sum[r] = INTERLEAVE_LOW(sum[r], sum[r + half]) + INTERLEAVE_HIGH(sum[r], sum[r + half]);
            for (int r = 0; r < LANES; r++) bound[r] = low[which[r]];
            memcpy(&number, which, sizeof number);
            FLOATS value = sum[0] + bound;
            MARKS wins = value < best;
            FLOATS loser = PICK(FLOATS, MARKS, wins, best, value);
            best = PICK(FLOATS, MARKS, wins, value, best);
            index = PICK(MARKS, MARKS, wins, number, index);
            MARKS closer = loser < second;
            second = PICK(FLOATS, MARKS, closer, loser, second);
        }
        memcpy(out->best + from, &best, sizeof best);
        memcpy(out->second + from, &second, sizeof second);
        memcpy(out->index + from, &index, sizeof index);
    }
}

#undef LANES
#undef FLOATS
#undef MARKS
#undef CENTRES
#undef INTERLEAVE_LOW
#undef INTERLEAVE_HIGH
#undef NEAREST
#undef LIST
#undef MEASURE
#undef PACK
#undef KERNEL
