/* What `auto` stands for: alone in its file, since settings are read where no model is. */
#include "tutti/vae.h"

#include <string.h>

enum { EPOCHS = 50, BATCH = 256, LATENT = 16, CONV_EPOCHS = 30, CONV_BATCH = 64, CONV_LATENT = 32 };

/* Of fused rows: measured, README "What it found". */
static const double light_beta = 0.2;

void tt_train_settle(tt_model_params *model, tt_train_params *t)
{
    bool conv = strcmp(model->kind, "conv") == 0, mixture = strcmp(model->prior, "mixture") == 0;
    bool light = !conv && !mixture && strcmp(model->reconstruction, "gaussian") == 0;
    if (t->beta < 0) t->beta = light ? light_beta : 1.0;
    if (t->epochs == 0) t->epochs = conv ? CONV_EPOCHS : EPOCHS;
    if (t->batch_size == 0) t->batch_size = conv ? CONV_BATCH : BATCH;
    if (model->latent_dim == 0) model->latent_dim = conv ? CONV_LATENT : LATENT;
}
