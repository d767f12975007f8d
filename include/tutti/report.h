/* Pictures and tables of a run. */
#ifndef TUTTI_REPORT_H
#define TUTTI_REPORT_H

#include "tutti/store.h"

/** Files of a run that the report draws from. */
typedef struct tt_report_inputs {
    const char *manifest, *features, *model, *latents, *clusters, *embedding, *metrics;
} tt_report_inputs;

/** `tutti report`: pictures into the folder `results` (made if missing; each as NAME.part, then renamed):
 * training_curves.png, latent_by_genre.png, latent_by_cluster.png, genre_by_cluster.png, scores.png,
 * mel_examples.png, dendrogram.png; and scores.txt, the table of tt_scores_print(). Files that are missing
 * (or NULL) cost the pictures that need them, with a log line. gnuplot draws; without it TT_ERR_IO says how
 * to get it. Every rank reads its own rows, rank 0 draws; pictures of more than 20,000 points show a seeded
 * sample and say so. Collective. @return TT_OK, TT_ERR_IO, TT_ERR_INPUT or TT_ERR_MEMORY, the same on every
 * rank */
tt_status tt_report(const tt_comm *comm, const tt_provenance *provenance, const tt_report_inputs *in,
                    const char *results);

#endif
