/* What BLAS needs before it is called. Private to the room. */
#ifndef TUTTI_LINALG_BLAS_H
#define TUTTI_LINALG_BLAS_H

#include "tutti/status.h"

/* Let BLAS take the memory that it works in, once: OpenBLAS asks for it at its first product, and asks
 * forever if there is none. Not collective. Returns TT_OK or TT_ERR_MEMORY. */
tt_status blas_prepare(void);

#endif
