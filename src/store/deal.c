/* Rows that ranks hold in order but not in whole blocks. */
#include "tutti/memory.h"
#include "tutti/store.h"

#include <stdlib.h>

tt_status tt_store_write_dealt(const tt_comm *comm, tt_store *store, const tt_column *column,
                               int64_t row_bytes, const void *data, int64_t first, int64_t n,
                               tt_status status)
{
    int64_t *count = NULL, total = column->dims[0],
            block = column->block_rows > 0 ? column->block_rows : TT_BLOCK_ROWS;
    char *rows = NULL;
    if (status == TT_OK) status = tt_alloc(2 * comm->size, sizeof *count, "rows to write", &count);
    status = tt_agree(comm, status);
    for (int r = 0; status == TT_OK && r < comm->size; r++) {
        tt_range to = tt_partition(total, block, comm->size, r);
        int64_t begin = to.begin > first ? to.begin : first, end = to.end < first + n ? to.end : first + n;
        count[r] = end > begin ? (end - begin) * row_bytes : 0;
    }
    if (status == TT_OK) status = tt_exchange(comm, data, count, &rows, count + comm->size);
    if (status == TT_OK) {
        tt_range mine = tt_partition(total, block, comm->size, comm->rank);
        int64_t owned = mine.end - mine.begin;
        if (owned > 0) status = tt_store_write(store, column->name, mine.begin, owned, rows);
        status = tt_agree(comm, status);
    }
    free(rows);
    free(count);
    return status;
}
