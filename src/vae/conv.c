/* The nets of kind conv: an image halved stage by stage, and doubled again. */
#include "nn/conv.h"
#include "vae/model.h"

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

tt_status tt_vae_conv_encoder(const tt_vae_shape *s, const char *part, tt_params *params, tt_net *net)
{
    char name[TT_TENSOR_NAME];
    tt_image image[TT_HIDDEN_MAX + 1];
    list_images(s, image);
    for (int i = 0; i < s->n_channels; i++)
        TT_TRY(tt_conv_add(params, net, layer_name(name, part, net), image[i], s->channels[i], TT_RELU,
                           hidden_gain));
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
    for (int i = s->n_channels; i-- > 0;)
        TT_TRY(tt_deconv_add(params, net, layer_name(name, part, net), image[i + 1], image[i],
                             i > 0 ? TT_RELU : TT_LINEAR, i > 0 ? hidden_gain : image_gain));
    return TT_OK;
}
