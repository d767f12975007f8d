#include "nn/dnnl_conv.h"

#include "tutti/memory.h"

#include <dlfcn.h>
#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAPS = 3, STRIDE = 2 };

/* oneDNN 3 hands out layouts as pointers that their maker destroys; in oneDNN 2 they are values. */
#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t layout_ref;
#define LAYOUT(l) (l)
#else
typedef const dnnl_memory_desc_t *layout_ref;
#define LAYOUT(l) (&(l))
#endif

static dnnl_status_t layout_new(int n, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag,
                                dnnl_memory_desc_t *out)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_tag(out, n, dims, type, tag);
#else
    return dnnl_memory_desc_init_by_tag(out, n, dims, type, tag);
#endif
}

static void layout_free(dnnl_memory_desc_t *layout)
{
#if DNNL_VERSION_MAJOR >= 3
    if (*layout) dnnl_memory_desc_destroy(*layout);
#else
    (void)layout;
#endif
}

/* Layouts from which the three primitives are made. */
typedef struct plan {
    dnnl_memory_desc_t fine, coarse, bias, plain, any, any_gradient;
    bool has_bias;
    dnnl_dims_t stride, before, after;
} plan;

static layout_ref bias_of(const plan *p)
{
    return p->has_bias ? LAYOUT(p->bias) : NULL;
}

/* One primitive, and its weights in the layout that it wants. */
typedef struct direction {
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_memory_t weights, scratch;
    dnnl_primitive_t reorder; /* plain float weights to `weights`, or for the gradient back */
} direction;

struct tt_dnnl_conv {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_memory_t fine, coarse, bias, plain; /* without memory of their own: it is set before use */
    direction down, up, gradient;
    bool has_bias;
};

int64_t tt_conv_coarse(int64_t fine)
{
    return (fine + STRIDE - 1) / STRIDE;
}

static tt_status checked(dnnl_status_t s, const char *doing)
{
    if (s == dnnl_success) return TT_OK;
    if (s == dnnl_out_of_memory) return tt_fail(TT_ERR_MEMORY, "no memory for oneDNN to %s", doing);
    return tt_fail(TT_ERR_INTERNAL, "oneDNN cannot %s: status %d", doing, (int)s);
}

static void free_plan(plan *p)
{
    layout_free(&p->fine);
    layout_free(&p->coarse);
    layout_free(&p->bias);
    layout_free(&p->plain);
    layout_free(&p->any);
    layout_free(&p->any_gradient);
}

static tt_status make_plan(const tt_conv_shape *s, bool bf16, tt_conv_end end, plan *p)
{
    int64_t height = tt_conv_coarse(s->height), width = tt_conv_coarse(s->width);
    dnnl_data_type_t type = bf16 ? dnnl_bf16 : dnnl_f32;
    const dnnl_dims_t fine = {s->rows, s->fine_channels, s->height, s->width};
    const dnnl_dims_t coarse = {s->rows, s->coarse_channels, height, width};
    const dnnl_dims_t weights = {s->coarse_channels, s->fine_channels, TAPS, TAPS};
    const dnnl_dims_t bias = {s->coarse_channels};
    *p = (plan){.has_bias = end != TT_CONV_PLAIN,
                .stride = {STRIDE, STRIDE},
                .before = {1, 1},
                .after = {STRIDE * height - s->height, STRIDE * width - s->width}};
    dnnl_status_t t = layout_new(4, fine, type, dnnl_nhwc, &p->fine);
    if (t == dnnl_success) t = layout_new(4, coarse, type, dnnl_nhwc, &p->coarse);
    if (t == dnnl_success) t = layout_new(1, bias, dnnl_f32, dnnl_a, &p->bias);
    if (t == dnnl_success) t = layout_new(4, weights, dnnl_f32, dnnl_oihw, &p->plain);
    if (t == dnnl_success) t = layout_new(4, weights, type, dnnl_format_tag_any, &p->any);
    if (t == dnnl_success) t = layout_new(4, weights, dnnl_f32, dnnl_format_tag_any, &p->any_gradient);
    return checked(t, "lay out images");
}

static dnnl_status_t describe_down(const plan *p, dnnl_engine_t engine, dnnl_primitive_attr_t attributes,
                                   dnnl_primitive_desc_t *out)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_convolution_forward_primitive_desc_create(
        out, engine, dnnl_forward_training, dnnl_convolution_direct, p->fine, p->any, bias_of(p), p->coarse,
        p->stride, NULL, p->before, p->after, attributes);
#else
    dnnl_convolution_desc_t d;
    dnnl_status_t s =
        dnnl_convolution_forward_desc_init(&d, dnnl_forward_training, dnnl_convolution_direct, &p->fine,
                                           &p->any, bias_of(p), &p->coarse, p->stride, p->before, p->after);
    return s == dnnl_success ? dnnl_primitive_desc_create(out, &d, attributes, engine, NULL) : s;
#endif
}

static dnnl_status_t describe_up(const plan *p, dnnl_engine_t engine, dnnl_primitive_attr_t attributes,
                                 dnnl_primitive_desc_t down, dnnl_primitive_desc_t *out)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_convolution_backward_data_primitive_desc_create(out, engine, dnnl_convolution_direct, p->fine,
                                                                p->any, p->coarse, p->stride, NULL, p->before,
                                                                p->after, down, attributes);
#else
    dnnl_convolution_desc_t d;
    dnnl_status_t s = dnnl_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, &p->fine, &p->any,
                                                               &p->coarse, p->stride, p->before, p->after);
    return s == dnnl_success ? dnnl_primitive_desc_create(out, &d, attributes, engine, down) : s;
#endif
}

static dnnl_status_t describe_gradient(const plan *p, dnnl_engine_t engine, dnnl_primitive_attr_t attributes,
                                       dnnl_primitive_desc_t down, dnnl_primitive_desc_t *out)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_convolution_backward_weights_primitive_desc_create(
        out, engine, dnnl_convolution_direct, p->fine, p->any_gradient, NULL, p->coarse, p->stride, NULL,
        p->before, p->after, down, attributes);
#else
    dnnl_convolution_desc_t d;
    dnnl_status_t s =
        dnnl_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, &p->fine, &p->any_gradient,
                                                    NULL, &p->coarse, p->stride, p->before, p->after);
    return s == dnnl_success ? dnnl_primitive_desc_create(out, &d, attributes, engine, down) : s;
#endif
}

static dnnl_status_t cut_at_zero(dnnl_primitive_attr_t attributes)
{
    dnnl_post_ops_t ops;
    dnnl_status_t s = dnnl_post_ops_create(&ops);
    if (s != dnnl_success) return s;
#if DNNL_VERSION_MAJOR >= 3
    s = dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0, 0);
#else
    s = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0);
#endif
    if (s == dnnl_success) s = dnnl_primitive_attr_set_post_ops(attributes, ops);
    dnnl_post_ops_destroy(ops);
    return s;
}

/* Memory of zeros that a primitive works in. oneDNN 2.6's gradient in bfloat16 reads a place of it that it
 * has not written where the coarse image is one pixel wide. */
static dnnl_status_t make_scratch(tt_dnnl_conv *c, direction *d)
{
    layout_ref layout = dnnl_primitive_desc_query_md(d->desc, dnnl_query_scratchpad_md, 0);
    void *data;
    dnnl_status_t s = dnnl_memory_create(&d->scratch, layout, c->engine, DNNL_MEMORY_ALLOCATE);
    if (s == dnnl_success) s = dnnl_memory_get_data_handle(d->scratch, &data);
    size_t bytes = dnnl_memory_desc_get_size(layout);
    if (s == dnnl_success && bytes > 0) memset(data, 0, bytes);
    return s;
}

/* The primitive of a description, memory for its weights (gradients get theirs before use), and the reorder
 * from `from` to `to`, of which one is theirs and the other plain. */
static dnnl_status_t complete(tt_dnnl_conv *c, direction *d, dnnl_query_t weights, const plan *p, bool back)
{
    layout_ref own = dnnl_primitive_desc_query_md(d->desc, weights, 0), plain = LAYOUT(p->plain);
    dnnl_primitive_desc_t reorder;
    dnnl_status_t s = dnnl_primitive_create(&d->primitive, d->desc);
    if (s == dnnl_success) s = make_scratch(c, d);
    if (s == dnnl_success)
        s = dnnl_memory_create(&d->weights, own, c->engine, back ? DNNL_MEMORY_NONE : DNNL_MEMORY_ALLOCATE);
    if (s == dnnl_success)
        s = dnnl_reorder_primitive_desc_create(&reorder, back ? own : plain, c->engine, back ? plain : own,
                                               c->engine, NULL);
    if (s != dnnl_success) return s;
    s = dnnl_primitive_create(&d->reorder, reorder);
    dnnl_primitive_desc_destroy(reorder);
    return s;
}

static dnnl_status_t make_images(tt_dnnl_conv *c, const plan *p)
{
    dnnl_status_t s = dnnl_memory_create(&c->fine, LAYOUT(p->fine), c->engine, DNNL_MEMORY_NONE);
    if (s == dnnl_success) s = dnnl_memory_create(&c->coarse, LAYOUT(p->coarse), c->engine, DNNL_MEMORY_NONE);
    if (s == dnnl_success) s = dnnl_memory_create(&c->bias, LAYOUT(p->bias), c->engine, DNNL_MEMORY_NONE);
    if (s == dnnl_success) s = dnnl_memory_create(&c->plain, LAYOUT(p->plain), c->engine, DNNL_MEMORY_NONE);
    return s;
}

/* The cut at zero comes last, for it is of the direction down alone, which the others need as a hint. */
static dnnl_status_t describe(tt_dnnl_conv *c, const plan *p, tt_conv_end end,
                              dnnl_primitive_attr_t attributes)
{
    dnnl_primitive_desc_t plain = NULL;
    dnnl_status_t s = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (s == dnnl_success) s = describe_down(p, c->engine, attributes, &plain);
    if (s == dnnl_success) s = describe_up(p, c->engine, attributes, plain, &c->up.desc);
    if (s == dnnl_success) s = describe_gradient(p, c->engine, attributes, plain, &c->gradient.desc);
    if (plain) dnnl_primitive_desc_destroy(plain);
    if (s == dnnl_success && end == TT_CONV_BIAS_RELU) s = cut_at_zero(attributes);
    return s == dnnl_success ? describe_down(p, c->engine, attributes, &c->down.desc) : s;
}

static dnnl_status_t make_directions(tt_dnnl_conv *c, const plan *p, tt_conv_end end)
{
    dnnl_primitive_attr_t attributes;
    dnnl_status_t s = dnnl_primitive_attr_create(&attributes);
    if (s != dnnl_success) return s;
    s = describe(c, p, end, attributes);
    dnnl_primitive_attr_destroy(attributes);
    if (s == dnnl_success) s = complete(c, &c->down, dnnl_query_weights_md, p, false);
    if (s == dnnl_success) s = complete(c, &c->up, dnnl_query_weights_md, p, false);
    return s == dnnl_success ? complete(c, &c->gradient, dnnl_query_diff_weights_md, p, true) : s;
}

void tt_dnnl_version(char text[TT_DNNL_VERSION])
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, TT_DNNL_VERSION, "%d.%d.%d", v->major, v->minor, v->patch);
}

/* Ranks are what runs side by side, and a sum that threads share out would show how many they are. oneDNN
 * built on OpenMP takes all cores of the machine otherwise, once for each rank. */
static void use_one_thread(void)
{
    void (*set)(int);
    void *symbol = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    memcpy(&set, &symbol, sizeof set);
    if (set) set(1);
}

tt_status tt_dnnl_conv_new(const tt_conv_shape *shape, bool bf16, tt_conv_end end, tt_dnnl_conv **out)
{
    plan p = {0};
    TT_TRY(tt_alloc(1, sizeof **out, "a convolution", out));
    tt_dnnl_conv *c = *out;
    c->has_bias = end != TT_CONV_PLAIN;
    use_one_thread();
    dnnl_status_t t = dnnl_engine_create(&c->engine, dnnl_cpu, 0);
    if (t == dnnl_success) t = dnnl_stream_create(&c->stream, c->engine, dnnl_stream_default_flags);
    tt_status s = checked(t, "start");
    if (s == TT_OK) s = make_plan(shape, bf16, end, &p);
    if (s == TT_OK) s = checked(make_images(c, &p), "hold images");
    if (s == TT_OK) s = checked(make_directions(c, &p, end), "make a convolution");
    free_plan(&p);
    if (s == TT_OK) return TT_OK;
    tt_dnnl_conv_free(c);
    *out = NULL;
    return s;
}

static void free_direction(direction *d)
{
    if (d->desc) dnnl_primitive_desc_destroy(d->desc);
    if (d->primitive) dnnl_primitive_destroy(d->primitive);
    if (d->reorder) dnnl_primitive_destroy(d->reorder);
    if (d->scratch) dnnl_memory_destroy(d->scratch);
    if (d->weights) dnnl_memory_destroy(d->weights);
}

void tt_dnnl_conv_free(tt_dnnl_conv *c)
{
    if (!c) return;
    free_direction(&c->down);
    free_direction(&c->up);
    free_direction(&c->gradient);
    if (c->fine) dnnl_memory_destroy(c->fine);
    if (c->coarse) dnnl_memory_destroy(c->coarse);
    if (c->bias) dnnl_memory_destroy(c->bias);
    if (c->plain) dnnl_memory_destroy(c->plain);
    if (c->stream) dnnl_stream_destroy(c->stream);
    if (c->engine) dnnl_engine_destroy(c->engine);
    free(c);
}

/* oneDNN takes inputs as void * too; it does not write to them. */
static dnnl_status_t point(dnnl_memory_t memory, const void *data)
{
    return dnnl_memory_set_data_handle(memory, (void *)(uintptr_t)data);
}

static dnnl_status_t run(const tt_dnnl_conv *c, dnnl_primitive_t primitive, int n,
                         const dnnl_exec_arg_t *args)
{
    dnnl_status_t s = dnnl_primitive_execute(primitive, c->stream, n, args);
    return s == dnnl_success ? dnnl_stream_wait(c->stream) : s;
}

static dnnl_status_t reorder(const tt_dnnl_conv *c, const direction *d, dnnl_memory_t from, dnnl_memory_t to)
{
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    return run(c, d->reorder, 2, args);
}

tt_status tt_dnnl_conv_weights(tt_dnnl_conv *c, const float *weight, const float *bias)
{
    dnnl_status_t s = point(c->plain, weight);
    if (s == dnnl_success) s = point(c->bias, bias);
    if (s == dnnl_success) s = reorder(c, &c->down, c->plain, c->down.weights);
    if (s == dnnl_success) s = reorder(c, &c->up, c->plain, c->up.weights);
    return checked(s, "reorder the weights of a convolution");
}

tt_status tt_dnnl_conv_down(tt_dnnl_conv *c, const void *fine, void *coarse)
{
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, c->fine},
                                    {DNNL_ARG_WEIGHTS, c->down.weights},
                                    {DNNL_ARG_DST, c->coarse},
                                    {DNNL_ARG_SCRATCHPAD, c->down.scratch},
                                    {DNNL_ARG_BIAS, c->bias}};
    dnnl_status_t s = point(c->fine, fine);
    if (s == dnnl_success) s = point(c->coarse, coarse);
    if (s == dnnl_success) s = run(c, c->down.primitive, c->has_bias ? 5 : 4, args);
    return checked(s, "run a convolution");
}

tt_status tt_dnnl_conv_up(tt_dnnl_conv *c, const void *coarse, void *fine)
{
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_DIFF_DST, c->coarse},
                                    {DNNL_ARG_WEIGHTS, c->up.weights},
                                    {DNNL_ARG_DIFF_SRC, c->fine},
                                    {DNNL_ARG_SCRATCHPAD, c->up.scratch}};
    dnnl_status_t s = point(c->coarse, coarse);
    if (s == dnnl_success) s = point(c->fine, fine);
    if (s == dnnl_success) s = run(c, c->up.primitive, 4, args);
    return checked(s, "run a transposed convolution");
}

tt_status tt_dnnl_conv_gradient(tt_dnnl_conv *c, const void *fine, const void *coarse, float *dweight)
{
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, c->fine},
                                    {DNNL_ARG_DIFF_DST, c->coarse},
                                    {DNNL_ARG_DIFF_WEIGHTS, c->gradient.weights},
                                    {DNNL_ARG_SCRATCHPAD, c->gradient.scratch}};
    dnnl_status_t s = point(c->fine, fine);
    if (s == dnnl_success) s = point(c->coarse, coarse);
    if (s == dnnl_success) s = point(c->gradient.weights, dweight);
    if (s == dnnl_success) s = run(c, c->gradient.primitive, 4, args);
    return checked(s, "run the gradient of a convolution");
}

int64_t tt_dnnl_conv_gradient_size(const tt_dnnl_conv *c)
{
    layout_ref layout = dnnl_primitive_desc_query_md(c->gradient.desc, dnnl_query_diff_weights_md, 0);
    return (int64_t)(dnnl_memory_desc_get_size(layout) / sizeof(float));
}

tt_status tt_dnnl_conv_plain(tt_dnnl_conv *c, const float *dweight, float *plain)
{
    dnnl_status_t s = point(c->gradient.weights, dweight);
    if (s == dnnl_success) s = point(c->plain, plain);
    if (s == dnnl_success) s = reorder(c, &c->gradient, c->gradient.weights, c->plain);
    return checked(s, "reorder the gradient of a convolution");
}
