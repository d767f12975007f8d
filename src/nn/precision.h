/* The numbers that products are formed of. Sums, parameters and moments are float in either case. */
#ifndef TUTTI_NN_PRECISION_H
#define TUTTI_NN_PRECISION_H

typedef enum tt_precision {
    TT_PRECISION_F32,
    TT_PRECISION_BF16 /**< factors rounded to bfloat16, 8 bits of significand */
} tt_precision;

/** What was asked for, or float where this CPU has no bfloat16. Not collective. */
tt_precision tt_precision_possible(tt_precision asked);

#endif
