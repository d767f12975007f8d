/* Values of rows, asked for and set from any rank. */
#include "cluster/dbscan.h"

#include "tutti/memory.h"

#include <stdlib.h>
#include <string.h>

tt_status key_table_reset(key_table *t, int64_t n)
{
    int64_t slots = 64;
    while (slots < 2 * n) slots *= 2;
    if (slots > t->slots) {
        key_table_free(t);
        TT_TRY(tt_alloc(2 * slots, sizeof *t->key, "a table of rows", &t->key));
        t->number = t->key + slots;
        t->slots = slots;
    }
    memset(t->key, -1, (size_t)t->slots * sizeof *t->key);
    t->used = 0;
    return TT_OK;
}

int64_t key_table_number(key_table *t, int64_t key)
{
    uint64_t mask = (uint64_t)t->slots - 1, at = (uint64_t)key * 0x9e3779b97f4a7c15u;
    at = (at ^ at >> 32) & mask;
    while (t->key[at] >= 0 && t->key[at] != key) at = (at + 1) & mask;
    if (t->key[at] < 0) {
        t->key[at] = key;
        t->number[at] = t->used++;
    }
    return t->number[at];
}

void key_table_free(key_table *t)
{
    free(t->key);
    *t = (key_table){0};
}

directory directory_of(const tt_matrix *x)
{
    return (directory){.comm = x->comm, .rows = x->rows, .first = x->first, .width = 1};
}

static int owner_of(const directory *d, int64_t row)
{
    return tt_owner(d->rows, TT_BLOCK_ROWS, d->comm->size, row);
}

static int64_t *values_of(const directory *d, int64_t row)
{
    return d->value + (row - d->first) * d->width;
}

/* Letters [n] grouped by the owner of their rows; count [size] bytes for each. @param went  [n] where in the
 * order each letter is, or NULL */
static tt_status sort_letters(const directory *d, const letter *letters, int64_t n, letter *sorted,
                              int64_t *count, int64_t *went)
{
    int size = d->comm->size;
    int64_t *at;
    TT_TRY(tt_alloc(size + 1, sizeof *at, "letters", &at));
    for (int64_t i = 0; i < n; i++) at[owner_of(d, letters[i].row) + 1]++;
    for (int r = 0; r < size; r++) {
        count[r] = at[r + 1] * (int64_t)sizeof *sorted;
        at[r + 1] += at[r];
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t to = at[owner_of(d, letters[i].row)]++;
        sorted[to] = letters[i];
        if (went) went[i] = to;
    }
    free(at);
    return TT_OK;
}

/* Send letters [n] to the owners of their rows. *got is freed by the caller. @param count  [2 size] bytes to
 * and from each rank. Collective. */
static tt_status post(const directory *d, const letter *letters, int64_t n, int64_t *went, letter **got,
                      int64_t *count)
{
    letter *sorted = NULL;
    *got = NULL;
    tt_status s = tt_alloc(n, sizeof *sorted, "letters", &sorted);
    if (s == TT_OK) s = sort_letters(d, letters, n, sorted, count, went);
    s = tt_agree(d->comm, s);
    if (s == TT_OK) s = tt_exchange(d->comm, sorted, count, got, count + d->comm->size);
    free(sorted);
    return s;
}

static int64_t letters_in(const int64_t *count, int size)
{
    int64_t bytes = 0;
    for (int r = 0; r < size; r++) bytes += count[r];
    return bytes / (int64_t)sizeof(letter);
}

tt_status directory_send(directory *d, const letter *letters, int64_t n,
                         void (*take)(int64_t *at, int64_t value))
{
    int size = d->comm->size;
    int64_t *count;
    letter *got = NULL;
    TT_TRY(tt_agree(d->comm, tt_alloc(2 * size, sizeof *count, "letters", &count)));
    tt_status s = post(d, letters, n, NULL, &got, count);
    for (int64_t i = 0, m = letters_in(count + size, size); s == TT_OK && i < m; i++)
        take(values_of(d, got[i].row), got[i].value);
    free(got);
    free(count);
    return s;
}

/* The values that letters [n] ask for; no two ask for the same row. Collective. */
static tt_status ask_distinct(const directory *d, letter *letters, int64_t n)
{
    int size = d->comm->size;
    int64_t *count = NULL, *went = NULL;
    letter *got = NULL, *back = NULL;
    tt_status s = tt_alloc(2 * size, sizeof *count, "letters", &count);
    if (s == TT_OK) s = tt_alloc(n, sizeof *went, "letters", &went);
    s = tt_agree(d->comm, s);
    if (s == TT_OK) s = post(d, letters, n, went, &got, count);
    for (int64_t i = 0, m = letters_in(count + size, size); s == TT_OK && i < m; i++)
        got[i].value = *values_of(d, got[i].row);
    if (s == TT_OK) s = tt_exchange(d->comm, got, count + size, &back, count);
    for (int64_t i = 0; s == TT_OK && i < n; i++) letters[i].value = back[went[i]].value;
    free(back);
    free(got);
    free(went);
    free(count);
    return s;
}

tt_status directory_ask(const directory *d, const int64_t *row, int64_t n, int64_t *value)
{
    key_table table = {0};
    letter *letters = NULL;
    tt_status s = key_table_reset(&table, n);
    for (int64_t i = 0; s == TT_OK && i < n; i++)
        value[i] = row[i] < 0 ? -1 : key_table_number(&table, row[i]);
    if (s == TT_OK) s = tt_alloc(table.used, sizeof *letters, "letters", &letters);
    s = tt_agree(d->comm, s);
    for (int64_t i = 0; s == TT_OK && i < n; i++)
        if (row[i] >= 0) letters[value[i]].row = row[i];
    if (s == TT_OK) s = ask_distinct(d, letters, table.used);
    for (int64_t i = 0; s == TT_OK && i < n; i++)
        if (row[i] >= 0) value[i] = letters[value[i]].value;
    free(letters);
    key_table_free(&table);
    return s;
}
