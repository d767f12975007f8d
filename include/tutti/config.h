/* Settings of a run: defaults, then a YAML file, then --set, each value checked where it stands. */
#ifndef TUTTI_CONFIG_H
#define TUTTI_CONFIG_H

#include "tutti/cluster.h"
#include "tutti/features.h"
#include "tutti/fuse.h"
#include "tutti/lyrics.h"
#include "tutti/metrics.h"
#include "tutti/vae.h"

typedef struct tt_config {
    uint64_t seed;
    tt_corpus_params corpus;
    tt_audio_params audio;
    tt_features_params features;
    tt_lyrics_params lyrics;
    tt_fuse_params fuse;
    tt_model_params model;
    tt_train_params train;
    tt_cluster_params cluster;
    tt_evaluate_params evaluate;
    char **values; /**< every setting as text, in the order of the table */
} tt_config;

/** Load settings.
 *  @param path  YAML file, or NULL for the defaults alone
 *  @param sets  n_sets texts "key.sub=value", applied in order
 *  @return TT_OK, TT_ERR_IO (file), TT_ERR_CONFIG ("FILE line 3: features.n_fft: ..."), TT_ERR_USAGE (--set),
 * or TT_ERR_MEMORY. Free with tt_config_free(). Collective: rank 0 reads the file, every rank gets the same.
 */
tt_status tt_config_load(const tt_comm *comm, const char *path, const char *const *sets, int n_sets,
                         tt_config **out);

void tt_config_free(tt_config *config);

/** The settings whose path starts with one of the comma-separated `prefixes` ("audio.,features."; NULL for
 * all) as YAML that loads to the same settings, with the numbers that epochs, batch size and latent
 * dimensions of auto stand for. Free with free(). Not collective. */
tt_status tt_config_text(const tt_config *config, const char *prefixes, char **out);

/** All settings as they were given, auto where it was said: what a later run goes on from, perhaps with
 * another kind of model. Free with free(). Not collective. */
tt_status tt_config_given(const tt_config *config, char **out);

#endif
