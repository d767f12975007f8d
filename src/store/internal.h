/* What the files of this room share.
 *
 * Who does what: the structure of a file (datasets, attributes) is made and changed by rank 0 alone, through
 * plain POSIX I/O, while nobody else has the file open: an error then is one rank's error and is agreed on,
 * where a failing collective flush would leave the other ranks waiting in it. Rows are written by all ranks
 * through MPI-IO into datasets that are allocated already, which touches no structure. Readers open the file
 * each for itself. */
#ifndef TT_STORE_INTERNAL_H
#define TT_STORE_INTERNAL_H

#include "tutti/store.h"

#include <hdf5.h>

#define CHECKSUM_GROUP "/checksum"

/** One dataset of an open file. */
typedef struct column {
    tt_column shape; /**< its name is owned */
    hid_t data;
    hid_t check;        /**< dataset of checksums, H5I_INVALID_HID if the file has none */
    hid_t memory;       /**< type of an element in memory as `shape` says */
    int64_t blocks;     /**< 0 for no rows */
    int64_t row_bytes;  /**< in memory */
    int n_stored_dims;  /**< of the dataset: 0 for a scalar, else shape.n_dims */
    bool variable_text; /**< variable-length text of another maker; text_bytes is 0 until it is measured */
    uint8_t *verified;  /**< per block: was read and found sound; NULL without checksums */
} column;

typedef enum attribute_kind { ATTRIBUTE_TEXT, ATTRIBUTE_NUMBER, ATTRIBUTE_NAMES } attribute_kind;

/** An attribute that waits to be written. Texts are owned, `texts` as one block. */
typedef struct attribute {
    char *object, *name;
    attribute_kind kind;
    double number;
    char **texts;
    int n_texts;
} attribute;

struct tt_store {
    tt_comm comm;
    char *path;
    char *part; /**< NULL in a store that is open for reading */
    bool resumed;
    bool sealed; /**< on rank 0: a published file whose structure was checked when it was opened */
    hid_t file;
    int fd; /**< of the .part on this rank, for sync and for asking why a write failed */
    column *columns;
    int n_columns;
    attribute *attributes;
    int n_attributes;
};

/* h5.c: HDF5 made quiet, its errors as one line, types, property lists */

/** Silence HDF5's printing of errors. Not collective, cheap. */
void h5_quiet(void);

/** tt_fail() with the reason that the last HDF5 call left appended after ": ". */
__attribute__((format(printf, 2, 3))) tt_status h5_fail(tt_status code, const char *format, ...);

/** File access: POSIX for one process, or MPI-IO for all of comm. */
hid_t h5_access(const tt_comm *comm);

/** A new contiguous dataset, allocated at once, filled with zeros or not at all. */
hid_t h5_create_dataset(hid_t file, const char *name, hid_t type, int n_dims, const int64_t *dims,
                        bool zeros);

/** Open for reading with POSIX I/O. */
hid_t h5_open_alone(const char *path);

/** Whether a path is worth opening: one clear line if it is missing, a folder, or no HDF5. */
tt_status h5_check_path(const char *path);

/** A new type for elements of `type`; H5I_INVALID_HID on failure. Close with H5Tclose(). */
hid_t h5_type(tt_type type, int64_t text_bytes);

/** Bytes of an element in memory. */
size_t type_bytes(tt_type type, int64_t text_bytes);

/** Whether `name` exists in `file`, every group on the way included. */
bool h5_exists(hid_t file, const char *name);

/** Close whatever kind of id it is, keeping the errors that h5_fail() will tell; invalid ids are fine. */
void h5_close(hid_t id);

/** This rank's path of the file while it is written or read. */
const char *store_file(const tt_store *store);

/** Flush what is written of a folder's entries. */
tt_status sync_folder_of(const char *path);

/* attributes.c */

/** Write (or replace) an attribute in an open file. */
tt_status attribute_write(hid_t file, const char *path, const attribute *a);
tt_status attribute_write_text(hid_t file, const char *path, const char *name, const char *text);
tt_status attribute_write_number(hid_t file, const char *path, const char *name, double number);
tt_status attribute_write_integer(hid_t file, const char *path, const char *name, uint64_t number);

/** Read texts of an attribute: one block to free(), NULL and 0 if there is none. */
tt_status attribute_read_texts(hid_t file, const char *path, const char *object, const char *name,
                               char ***texts, int *n);
tt_status attribute_read_text(hid_t file, const char *path, const char *object, const char *name,
                              char **text);
tt_status attribute_read_number(hid_t file, const char *path, const char *object, const char *name,
                                double *out, bool *found);

void attribute_free(attribute *a);

/* column.c */

/** Copy a description, with block_rows and text_bytes made definite. */
tt_status column_copy(const tt_column *from, tt_column *to);

/** Whether two descriptions agree. */
bool column_same(const tt_column *a, const tt_column *b);

/** Bytes of its data and checksums. */
int64_t column_bytes(const tt_column *c);

/** Describe and open dataset `name` of an open file. `columns` of other makers have no checksums.
 *  @return TT_OK, TT_ERR_INPUT if it is nothing we can read, TT_ERR_IO, TT_ERR_MEMORY */
tt_status column_open(hid_t file, const char *path, const char *name, column *out);

void column_close(column *c);

/** The column `name` of a store, opened on first use; NULL in *out if the file has none. */
tt_status column_find(tt_store *store, const char *name, column **out);

/** As column_find(), but a missing dataset is TT_ERR_INPUT with a message that lists what there is. */
tt_status column_need(tt_store *store, const char *name, column **out);

/** Create dataset and checksums in a file open on one rank. */
tt_status column_create(hid_t file, const char *path, const tt_column *shape);

/** Make the text width of a variable-length column known, if it is not. Not collective. */
tt_status column_settle(column *c);

/** Rows of a variable-length column as texts of text_bytes each, which HDF5 does not convert itself. */
tt_status column_read_texts(const column *c, int64_t first, int64_t count, void *data);

/** Fail with TT_ERR_INTERNAL unless rows [first, first + count) are in the column. */
tt_status column_check_range(const tt_store *store, const column *c, int64_t first, int64_t count);

/* pieces.c: rows in pieces that MPI-IO and a bounded buffer can take */

/** A box of one dataset, contiguous in row order. */
typedef struct piece {
    hsize_t start[TT_STORE_DIMS], count[TT_STORE_DIMS];
    int64_t elements; /**< in it */
    int64_t at;       /**< elements that came before it */
} piece;

typedef tt_status piece_function(void *context, const column *c, const piece *p);

/** Call f for rows [first, first + count) in row order, in pieces of at most max_elements. Stops at a
 * failure. */
tt_status for_pieces(const column *c, int64_t first, int64_t count, int64_t max_elements, piece_function *f,
                     void *context);

/** Move one piece between file and memory. @return whether HDF5 could */
bool piece_read(const column *c, const piece *p, hid_t memory, void *data);
bool piece_write(const column *c, const piece *p, hid_t memory, const void *data);

/** Write again what MPI-IO could not, by plain POSIX I/O at byte `at` of an allocated dataset. MPI-IO says
 * "I/O error" and no more; the system says "No space left on device". Where it takes the bytes this time,
 * they are written. */
tt_status write_plainly(const tt_store *store, const column *c, hid_t dataset, int64_t at, int64_t bytes,
                        const void *data);

/* blocks.c: checksums */

typedef enum block_state { BLOCK_SOUND, BLOCK_ABSENT, BLOCK_DAMAGED } block_state;

/** Return false to stop. */
typedef bool block_function(void *context, int64_t block, block_state state);

/** Read blocks [begin, end) back and compare them with their checksums, in bounded memory. */
tt_status blocks_check(const tt_store *store, column *c, int64_t begin, int64_t end, block_function *f,
                       void *context);

/** Compare rows [first, first + count) in `data`, read from the file, with their checksums. */
tt_status blocks_check_memory(const tt_store *store, column *c, int64_t first, int64_t count,
                              const void *data);

/** TT_ERR_INPUT that names file, dataset and rows of blocks [begin, end), which are not sound. */
tt_status block_fail(const tt_store *store, const column *c, int64_t begin, int64_t end, block_state state);

/** Write the checksums of whole blocks from row `first` on. */
tt_status blocks_write(const tt_store *store, const column *c, int64_t first, int64_t count,
                       const void *data);

/** TT_ERR_INTERNAL if a block of this rank's share of all columns was never written. */
tt_status store_complete(tt_store *store);

/* ranges.c: runs of bytes in a file */

typedef struct ranges {
    tt_range *v; /**< ascending, apart */
    int64_t n;
} ranges;

/** Append, unless it is empty. */
tt_status ranges_add(ranges *r, int64_t begin, int64_t end);

/** Where the data of all datasets lie. */
tt_status ranges_of_data(hid_t file, const char *path, ranges *out);

/** What is the same in both. */
tt_status ranges_common(const ranges *a, const ranges *b, ranges *out);

/** What lies between them in a file of `bytes`. */
tt_status ranges_between(const ranges *r, int64_t bytes, ranges *out);

/** pread() and pwrite() until all is done. @return false with errno */
bool read_all(int fd, void *to, int64_t n, int64_t at);
bool write_all(int fd, const void *from, int64_t n, int64_t at);

/** Copy ranges of one file to the same places of another, holes left out. */
tt_status ranges_copy(const ranges *r, int from, int to, const char *path);

/* seal.c: a checksum of the structure of a published file */

/** Room for it. */
tt_status seal_create(hid_t file, const char *part);

/** Form it over the bytes on the disk; nothing may change them after that. On rank 0. */
tt_status seal_set(const char *part);

/** TT_ERR_INPUT if the file has one and it does not fit. One rank is enough. */
tt_status seal_check(hid_t file, const char *path, bool *sealed);

/* structure.c: changes that only rank 0 makes
 *
 * HDF5 makes them in a shadow: a file in memory with the structure of the real one and holes for the data.
 * The bytes that changed are then written to the disk by ourselves. For HDF5 1.10 cannot close a file that it
 * could not write (a full disk, a quota): it crashes when the program ends. */

typedef tt_status structure_change(hid_t file, void *context);

/** Make `part` anew, its space reserved, with the columns and what is known of its provenance. On rank 0. */
tt_status structure_create(const char *part, const tt_provenance *provenance, const tt_column *columns,
                           int n_columns);

/** Change the structure of `part` by f, such that a kill in between can be undone. On rank 0.
 *  @param growth  bytes of data that f adds */
tt_status structure_edit(const char *part, int64_t growth, structure_change *f, void *context);

/* resume.c */

/** Whether `part` is a sound attempt at the same thing; logs why if it is not. Datasets that were added late
 * are removed from it: their size may differ this time. On rank 0. */
tt_status resume_part(const char *part, const tt_provenance *provenance, const tt_column *columns,
                      int n_columns, bool *resumed);

/* undo.c */

/** Keep beside `part`, open as fd, the bytes that a change of its structure will overwrite. */
tt_status undo_save(const char *part, int fd, const ranges *r, int64_t file_bytes);

/** Put them back if they are there: the file is then as it was before the change. */
tt_status undo_restore(const char *part);

/** The change is whole. */
void undo_drop(const char *part);

/* create.c */

/** Open and close the .part on all ranks by MPI-IO. Collective. */
tt_status part_open(tt_store *store);
tt_status part_close(tt_store *store);

/** Free everything; files must be closed. */
void store_free(tt_store *store);

#endif
