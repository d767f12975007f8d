/* The nets of kind conv: an image halved stage by stage, and doubled again. */
#include "nn/conv.h"
#include "nn/norm.h"
#include "tutti/log.h"
#include "vae/training.h"

#include <stdio.h>

/* Gains of hidden layers, which cut at zero (He et al. 2015), of the layer that gives mu and logvar (see
 * model.c), and of the one that gives the image. */
static const double hidden_gain = 2.0, latent_gain = 0.1, image_gain = 1.0;

/* A side that is shorter is not halved any more. */
enum { SIDE_MIN = 4 };

int tt_vae_stages(int64_t height, int64_t width, int n_channels)
{
    int n = 0;
    while (n < n_channels && height >= SIDE_MIN && width >= SIDE_MIN) {
        tt_image coarse = tt_image_coarse((tt_image){height, width, 1}, 1);
        height = coarse.height;
        width = coarse.width;
        n++;
    }
    return n;
}

/* Images from the input to the coarsest: [n_channels + 1]. */
static void list_images(const tt_vae_shape *s, tt_image image[TT_HIDDEN_MAX + 1])
{
    image[0] = (tt_image){s->height, s->width, 1};
    for (int i = 0; i < s->n_channels; i++) image[i + 1] = tt_image_coarse(image[i], s->channels[i]);
}

static const char *layer_name(char name[TT_TENSOR_NAME], const char *part, const tt_net *net)
{
    snprintf(name, TT_TENSOR_NAME, "%s.%d", part, net->n);
    return name;
}

/* Groups of a norm, if they divide the channels (Wu, He 2018 find little between 2 and 32). */
enum { GROUPS = 8 };

/* The end of a hidden stage that gives `image`, where stages are normalised. */
static tt_status add_norm(const tt_vae_shape *s, const char *part, tt_image image, tt_params *params,
                          tt_net *net)
{
    char name[TT_TENSOR_NAME];
    const tt_norm_shape norm = {image.height * image.width, image.channels,
                                image.channels % GROUPS == 0 ? GROUPS : 1};
    return s->normalise ? tt_norm_add(params, net, layer_name(name, part, net), &norm, TT_RELU) : TT_OK;
}

tt_status tt_vae_conv_encoder(const tt_vae_shape *s, const char *part, tt_params *params, tt_net *net)
{
    char name[TT_TENSOR_NAME];
    tt_image image[TT_HIDDEN_MAX + 1];
    list_images(s, image);
    tt_activation hidden = s->normalise ? TT_LINEAR : TT_RELU;
    for (int i = 0; i < s->n_channels; i++) {
        TT_TRY(tt_conv_add(params, net, layer_name(name, part, net), image[i], s->channels[i], hidden,
                           hidden_gain));
        TT_TRY(add_norm(s, part, image[i + 1], params, net));
    }
    return tt_dense_add(params, net, layer_name(name, part, net), tt_image_size(image[s->n_channels]),
                        2 * s->latent, TT_LINEAR, latent_gain);
}

tt_status tt_vae_conv_decoder(const tt_vae_shape *s, int64_t in, const char *part, tt_params *params,
                              tt_net *net)
{
    char name[TT_TENSOR_NAME];
    tt_image image[TT_HIDDEN_MAX + 1];
    list_images(s, image);
    TT_TRY(tt_dense_add(params, net, layer_name(name, part, net), in, tt_image_size(image[s->n_channels]),
                        TT_RELU, hidden_gain));
    tt_activation hidden = s->normalise ? TT_LINEAR : TT_RELU;
    for (int i = s->n_channels; i-- > 0;) {
        TT_TRY(tt_deconv_add(params, net, layer_name(name, part, net), image[i + 1], image[i],
                             i > 0 ? hidden : TT_LINEAR, i > 0 ? hidden_gain : image_gain));
        if (i > 0) TT_TRY(add_norm(s, part, image[i], params, net));
    }
    return TT_OK;
}

tt_status tt_model_images(const tt_samples *s, const tt_model_params *model, tt_vae_shape *shape)
{
    if (s->n_dims != 3)
        return tt_fail(TT_ERR_INPUT,
                       "%s has %d dimensions; model.kind conv needs images, [rows, height, width], such as "
                       "features.h5:/mel",
                       s->x.name, s->n_dims);
    shape->kind = TT_VAE_CONV;
    shape->height = s->dims[1];
    shape->width = s->dims[2];
    shape->n_hidden = 0;
    shape->normalise = model->normalise;
    shape->n_channels = tt_vae_stages(shape->height, shape->width, model->n_channels);
    for (int i = 0; i < shape->n_channels; i++) shape->channels[i] = model->channels[i];
    if (shape->n_channels == 0)
        return tt_fail(
            TT_ERR_INPUT,
            "%s: images of %lld x %lld cannot be halved by any of %d model.channels; one of them and sides "
            "of %d or more are needed, or model.kind fc",
            s->x.name, (long long)shape->height, (long long)shape->width, model->n_channels, SIDE_MIN);
    if (shape->n_channels < model->n_channels && s->x.comm->rank == 0)
        tt_info("train: images of %lld x %lld take the first %d of %d model.channels",
                (long long)shape->height, (long long)shape->width, shape->n_channels, model->n_channels);
    return TT_OK;
}
