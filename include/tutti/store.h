/* Row tables in parallel HDF5: written by any rank, checksummed by block, published by one rename.
 *
 * Life of a file: tt_store_create() makes NAME.part with every dataset created, sized, allocated and flushed,
 * so that a kill at any later moment leaves it readable; ranks write rows, each block with a checksum that
 * doubles as the mark "this block is done"; tt_store_publish() renames NAME.part to NAME. Creating
 * again over a NAME.part with the same fingerprint and columns resumes it.
 *
 * Rows are written by MPI-IO, independently; which implementation and hints it uses is left to the
 * environment (Open MPI: OMPI_MCA_io=ompio or romio321, ROMIO_HINTS). Space is reserved at creation where the
 * file system can. Structure (datasets, attributes) is changed by rank 0 under an undo file, NAME.part.undo.
 * Readers use plain I/O.
 *
 * Checksums live beside the data: dataset /checksum/<column name> of uint64 [blocks], 0 for a block not
 * written. A published file has one more, /checksum/(structure), over all bytes outside of datasets: names,
 * shapes, attributes. */
#ifndef TUTTI_STORE_H
#define TUTTI_STORE_H

#include "tutti/comm.h"
#include "tutti/timer.h"

/** Types of elements, in files and in memory. TT_F16 is half precision, uint16_t in memory (tutti/half.h).
 * TT_TEXT is fixed-length UTF-8, NUL-padded. */
typedef enum tt_type { TT_U8, TT_I32, TT_I64, TT_U64, TT_F16, TT_F32, TT_F64, TT_TEXT } tt_type;

enum { TT_STORE_DIMS = 4 };

/** One dataset. dims[0] counts rows. */
typedef struct tt_column {
    const char *name; /**< path in the file, "/clip/track" */
    tt_type type;
    int n_dims;                  /**< 1 to TT_STORE_DIMS */
    int64_t dims[TT_STORE_DIMS]; /**< rows first; 0 rows are fine */
    int64_t text_bytes;          /**< of TT_TEXT: bytes per element, at least 1 */
    int64_t block_rows;          /**< rows per checksum; 0 means TT_BLOCK_ROWS */
} tt_column;

/** Where a file comes from; stored as attributes of its root group. */
typedef struct tt_provenance {
    const char *stage; /**< "extract" */
    const char
        *fingerprint;   /**< hash of everything that decides the content: settings, inputs, code version */
    const char *config; /**< the settings as YAML text */
    const char *inputs; /**< one "name hash" line per input file, "" if none */
    uint64_t seed;
} tt_provenance;

typedef struct tt_store tt_store;

/** Create PATH.part, or resume the one that is there if it has the same fingerprint, columns and version and
 * is sound. Collective. @param columns  the same on every rank (names and values are copied)
 *  @return TT_OK, TT_ERR_IO (naming the path) or TT_ERR_MEMORY, the same on every rank. Free with
 * tt_store_close(). */
tt_status tt_store_create(const tt_comm *comm, const char *path, const tt_provenance *provenance,
                          const tt_column *columns, int n_columns, tt_store **out);

/** Open a published file for reading. Also opens HDF5 files of other makers (h5py): no checksums to verify
 * then. Collective. @return TT_OK, TT_ERR_IO or TT_ERR_INPUT (not HDF5, truncated, structure damaged), the
 * same on every rank */
tt_status tt_store_open(const tt_comm *comm, const char *path, tt_store **out);

/** Close. A file being written stays as PATH.part, to be resumed. NULL is fine. Collective. */
void tt_store_close(tt_store *store);

/** Whether tt_store_create() found an earlier attempt to go on with. Not collective. */
bool tt_store_resumed(const tt_store *store);

/** The store's path (without .part). */
const char *tt_store_path(const tt_store *store);

/** Shape and type of a dataset; *found tells whether it exists. column->name is not set. Collective.
 *  Types of other makers map to the nearest of ours (i16 to TT_I32, variable-length text to TT_TEXT). */
tt_status tt_store_column(tt_store *store, const char *name, tt_column *column, bool *found);

/** Paths of all datasets but the checksums, sorted, as one block to free(). Not collective. */
tt_status tt_store_list(tt_store *store, char ***names, int *n);

/** Names of the attributes of an object, in the same form. Not collective. */
tt_status tt_store_attributes(tt_store *store, const char *object, char ***names, int *n);

/** Add one more dataset while writing, when its size is known late (failures). Structure changes for a
 * moment: call it only when all raw rows are written. Collective. */
tt_status tt_store_add_column(tt_store *store, const tt_column *column);

/** Write rows [first, first + count) from data [count, ...] of the column's own type, with checksums. The
 * range must be made of whole blocks (its end may be the end of the table). Any rank, any time. Not
 * collective. count 0 is fine. @return TT_OK or TT_ERR_IO (naming file and dataset; "No space left" shows) */
tt_status tt_store_write(tt_store *store, const char *name, int64_t first, int64_t count, const void *data);

/** Write rows [first, first + n) of this rank, contiguous and ascending over the ranks but not in whole
 * blocks: they are dealt as whole blocks first. Collective; `status` is this rank's own so far.
 *  @param column     name, dims and block_rows of the column, as it was created
 *  @param row_bytes  of one row in memory, in the column's own type */
tt_status tt_store_write_dealt(const tt_comm *comm, tt_store *store, const tt_column *column,
                               int64_t row_bytes, const void *data, int64_t first, int64_t n,
                               tt_status status);

/** Whether every block of rows [first, first + count) is in the file with a matching checksum: what a resumed
 *  run need not do again. Reads the rows. Not collective. */
tt_status tt_store_rows_done(tt_store *store, const char *name, int64_t first, int64_t count, bool *done);

/** Read rows [first, first + count) into data, converted to memory type `as` (numbers to any numeric type;
 *  TT_TEXT needs as == TT_TEXT and gives text_bytes each). Blocks touched are verified against their
 * checksums where the file has them. Not collective.
 *  @return TT_OK, TT_ERR_IO, or TT_ERR_INPUT "FILE: /mel rows 0 to 255 are damaged (checksum differs)" */
tt_status tt_store_read(tt_store *store, const char *name, int64_t first, int64_t count, tt_type as,
                        void *data);

/** Attributes of a dataset or group ("/" is the file). Setting: collective, same values on every rank, only
 * between create and publish; they are written when the structure changes next, so a resumed run sets them
 * again. Getting: not collective; *out is NULL / found false if there is none. */
tt_status tt_store_set_text(tt_store *store, const char *object, const char *attribute, const char *value);
tt_status tt_store_set_number(tt_store *store, const char *object, const char *attribute, double value);
tt_status tt_store_set_names(tt_store *store, const char *object, const char *attribute,
                             const char *const *names, int n);
tt_status tt_store_get_text(tt_store *store, const char *object, const char *attribute, char **out);
tt_status tt_store_get_number(tt_store *store, const char *object, const char *attribute, double *out,
                              bool *found);
/** Free *names as one block with free(). */
tt_status tt_store_get_names(tt_store *store, const char *object, const char *attribute, char ***names,
                             int *n);

/** Write provenance (version, settings, seed, inputs, library versions, rank count, wall seconds per phase of
 * `phases`, largest over ranks), flush, sync, close and rename PATH.part to PATH. Frees the store, also on
 * failure (the .part then stays). Collective; `status` is this rank's own so far: nothing is published unless
 * all are TT_OK. */
tt_status tt_store_publish(tt_store *store, const tt_phases *phases, tt_status status);

/** Remove PATH and what is left of attempts to make it: a checkpoint that is not needed any more. Collective.
 *  @return TT_OK or TT_ERR_MEMORY */
tt_status tt_store_discard(const tt_comm *comm, const char *path);

/** Fingerprint a published file was made with, without opening it collectively: *out is NULL if the file does
 * not exist, cannot be read or has none. Call from one rank. Free with free(). */
tt_status tt_store_fingerprint(const char *path, char **out);

/** Split "FILE.h5:/path" into *file and *dataset (both free()); without ":/" dataset is `otherwise`.
 *  @return TT_OK, TT_ERR_USAGE or TT_ERR_MEMORY */
tt_status tt_store_split(const char *spec, const char *otherwise, char **file, char **dataset);

/** Open the file of "FILE.h5:/path", split as above, for reading. *dataset, unless NULL, is the path: free().
 *  It is set, as *out is, where all is well. Collective. @return as tt_store_split() and tt_store_open() */
tt_status tt_store_open_spec(const tt_comm *comm, const char *spec, const char *otherwise, tt_store **out,
                             char **dataset);

/** Check every block of every column against its checksum, blocks dealt over the ranks; damaged runs are
 * logged as errors with dataset and rows. *blocks and *damaged count over all ranks; the structure, which
 * tt_store_open() has checked, is one more block. 0 blocks: a file without checksums. TT_STOPPED after
 * a signal. Collective. */
tt_status tt_store_verify(tt_store *store, int64_t *blocks, int64_t *damaged);

#endif
