/* A kernel that slides over a line or a plane (a line has height 1):
 * a[o][y][x] = sum over c, k of w[o][c][k] * s[c][y * stride + ky * dilation - padding][...], zeros outside.
 *
 * Sums and populations have their channels last, so that what one tap adds are neighbours. */
#ifndef CCX_CONV_H
#define CCX_CONV_H

#include "ccx_rows.h"

typedef struct {
    /* Event-driven: [kernel_h][kernel_w][channels] rows of targets / groups.
     * Dense: [targets] rows of [kernel_h][kernel_w][channels / groups] where channels are last in the source, else of
     * [channels / groups][kernel_h][kernel_w]. */
    const void *weights;
    uint32_t channels, height, width;
    uint32_t targets, out_h, out_w;
    uint32_t kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w, groups;
    uint8_t weight_bits; /* 4, 8, 16 */
    uint8_t sum_bits;    /* 16, 32; graded and dense: 32 */
    bool channels_last;  /* of the source */
} ccx_conv;

/* The first tap of one axis that can hit one of `out` outputs, for a source at `at`, padding counted. Without dilation it
 * does, and so does every `stride`-th after it up to tap `at`; with dilation each tap is tried. */
CCX_KERNEL uint32_t ccx_first_tap(uint32_t at, uint32_t stride, uint32_t dilation, uint32_t out)
{
    const uint32_t last = stride * (out - 1u);
    if (dilation != 1u) {
        return 0;
    }
    return at > last ? at - last : at % stride;
}

/* The output that tap k connects with a source at `at` >= k * dilation, or UINT32_MAX where there is none. */
CCX_KERNEL uint32_t ccx_hit(uint32_t at, uint32_t k, uint32_t stride, uint32_t dilation, uint32_t out)
{
    const uint32_t reach = at - k * dilation;
    if (dilation == 1u) {
        return reach / stride;
    }
    return reach % stride != 0u || reach / stride >= out ? UINT32_MAX : reach / stride;
}

/* One source neuron to all its targets. `spike`: its value is 1, and not multiplied. */
CCX_KERNEL void ccx_conv_scatter(const ccx_conv *c, uint32_t channel, uint32_t y, uint32_t x, bool spike, int32_t value,
                                 void *restrict sums)
{
    const uint32_t width = c->targets / c->groups, row_bytes = ccx_row_bytes(c->weight_bits, width);
    const uint32_t group = c->groups == 1u ? 0u : channel / (c->channels / c->groups);
    const uint8_t *const taps = (const uint8_t *)c->weights + channel * row_bytes;
    const uint32_t step_h = c->dilation_h == 1u ? c->stride_h : 1u, step_w = c->dilation_w == 1u ? c->stride_w : 1u;
    const uint32_t at_y = y + c->padding_h, at_x = x + c->padding_w;
    const uint32_t first_y = ccx_first_tap(at_y, c->stride_h, c->dilation_h, c->out_h);
    const uint32_t first_x = ccx_first_tap(at_x, c->stride_w, c->dilation_w, c->out_w);
    for (uint32_t ky = first_y; ky < c->kernel_h && ky * c->dilation_h <= at_y; ky += step_h) {
        const uint32_t out_y = ccx_hit(at_y, ky, c->stride_h, c->dilation_h, c->out_h);
        if (out_y == UINT32_MAX) {
            continue;
        }
        for (uint32_t kx = first_x; kx < c->kernel_w && kx * c->dilation_w <= at_x; kx += step_w) {
            const uint32_t out_x = ccx_hit(at_x, kx, c->stride_w, c->dilation_w, c->out_w);
            if (out_x == UINT32_MAX) {
                continue;
            }
            const uint32_t first = (out_y * c->out_w + out_x) * c->targets + group * width;
            const uint8_t *const row = taps + (ky * c->kernel_w + kx) * c->channels * row_bytes;
            if (spike) {
                ccx_add_row((uint8_t *)sums + first * (c->sum_bits / 8u), c->sum_bits, row, c->weight_bits, width);
            } else {
                ccx_add_scaled_row((uint32_t *)sums + first, row, c->weight_bits, value, width);
            }
        }
    }
}

/* Line and column of position `at` of a channel. */
CCX_KERNEL uint32_t ccx_line(const ccx_conv *c, uint32_t at)
{
    return c->height == 1u ? 0u : at / c->width;
}

CCX_KERNEL uint32_t ccx_column(const ccx_conv *c, uint32_t at)
{
    return c->height == 1u ? at : at % c->width;
}

/* Event-driven, on a line with the channels last: what an output reads are neighbours in the source, hence in the ascending
 * list, and the row of each event is its distance from the first of them. Both ends of that part of the list only ever
 * move on; the output's sums stay in registers meanwhile, if the core has instructions for it. */
CCX_KERNEL void ccx_conv_line_spikes(const ccx_conv *c, const ccx_index *list, uint32_t count, void *restrict sums)
{
    uint32_t begin = 0, end = 0;
    for (uint32_t q = 0; q < c->out_w && begin < count; ++q) {
        const int32_t first = ((int32_t)(q * c->stride_w) - (int32_t)c->padding_w) * (int32_t)c->channels;
        const int32_t last = first + (int32_t)(c->kernel_w * c->channels);
        CCX_ROLLED
        while (begin < count && (int32_t)list[begin] < first) {
            ++begin;
        }
        end = end < begin ? begin : end;
        CCX_ROLLED
        while (end < count && (int32_t)list[end] < last) {
            ++end;
        }
        ccx_add_rows((uint8_t *)sums + q * c->targets * (c->sum_bits / 8u), c->sum_bits, c->weights, c->weight_bits,
                     c->targets, list + begin, end - begin, (uint32_t)first);
    }
}

/* Event-driven, from a list of spikes, ascending. */
CCX_KERNEL void ccx_conv_spikes(const ccx_conv *c, const ccx_index *list, uint32_t count, void *restrict sums)
{
    const bool line = c->height == 1u && c->kernel_h == 1u && c->padding_h == 0u && c->dilation_w == 1u;
    if (CCX_LANES && line && c->groups == 1u && c->channels_last) {
        ccx_conv_line_spikes(c, list, count, sums);
        return;
    }
    const uint32_t plane = c->height * c->width;
    for (uint32_t e = 0; e < count; ++e) {
        const uint32_t channel = c->channels_last ? list[e] % c->channels : list[e] / plane;
        const uint32_t at = c->channels_last ? list[e] / c->channels : list[e] % plane;
        ccx_conv_scatter(c, channel, ccx_line(c, at), ccx_column(c, at), true, 1, sums);
    }
}

/* Event-driven, from graded values: zeros cost a look. */
CCX_KERNEL void ccx_conv_graded(const ccx_conv *c, const void *values, uint32_t value_bits, uint32_t *restrict sums)
{
    const uint32_t plane = c->height * c->width;
    for (uint32_t channel = 0; channel < c->channels; ++channel) {
        for (uint32_t at = 0; at < plane; ++at) {
            const uint32_t i = c->channels_last ? at * c->channels + channel : channel * plane + at;
            const int32_t value = ccx_value(values, value_bits, i);
            if (value != 0) {
                ccx_conv_scatter(c, channel, ccx_line(c, at), ccx_column(c, at), false, value, sums);
            }
        }
    }
}

/* The taps of one axis that lie inside the source, [*first, end), for an output whose tap 0 lies at `at`. */
CCX_KERNEL uint32_t ccx_inside(int32_t at, uint32_t size, uint32_t kernel, uint32_t dilation, uint32_t *first)
{
    const int32_t d = (int32_t)dilation, rest = (int32_t)size - at;
    const uint32_t end = rest <= 0 ? 0u : (uint32_t)((rest + d - 1) / d);
    *first = at >= 0 ? 0u : (uint32_t)((-at + d - 1) / d);
    return end < kernel ? end : kernel;
}

/* Part of a dense step: what a run of `count` values, `step` apart from number `at` on, brings to one output position of a
 * group, by the weights of its rows from number `first` on. */
CCX_KERNEL void ccx_conv_run(const ccx_conv *c, uint32_t group, const void *values, uint32_t value_bits, uint32_t at,
                             uint32_t step, uint32_t first, uint32_t count, uint32_t *restrict sums)
{
    const uint32_t width = c->targets / c->groups, depth = c->channels / c->groups;
    const uint32_t row_bytes = ccx_row_bytes(c->weight_bits, depth * c->kernel_h * c->kernel_w);
    ccx_multiply_rows(sums + group * width, (const uint8_t *)c->weights + group * width * row_bytes, row_bytes, width,
                      c->weight_bits, first, (const uint8_t *)values + at * (value_bits / 8u), value_bits, step, count);
}

/* Dense: every weight is multiplied, whatever was sent. `values` are 0 and 1 for spikes. Values that are neighbours are
 * taken in one run: a line of a channel, or, with the channels last, those of a line's taps. */
CCX_KERNEL void ccx_conv_rows(const ccx_conv *c, const void *values, uint32_t value_bits, uint32_t *restrict sums)
{
    const uint32_t depth = c->channels / c->groups, plane = c->height * c->width;
    const bool together = c->groups == 1u && c->dilation_w == 1u;
    for (uint32_t q = 0; q < c->out_h * c->out_w; ++q, sums += c->targets) {
        const int32_t y = (int32_t)(q / c->out_w * c->stride_h) - (int32_t)c->padding_h;
        const int32_t x = (int32_t)(q % c->out_w * c->stride_w) - (int32_t)c->padding_w;
        uint32_t y_first, x_first;
        const uint32_t y_end = ccx_inside(y, c->height, c->kernel_h, c->dilation_h, &y_first);
        const uint32_t x_end = ccx_inside(x, c->width, c->kernel_w, c->dilation_w, &x_first);
        for (uint32_t group = 0; x_first < x_end && group < c->groups; ++group) {
            for (uint32_t ky = y_first; ky < y_end; ++ky) {
                const uint32_t line = ((uint32_t)y + ky * c->dilation_h) * c->width + (uint32_t)x;
                if (!c->channels_last) {
                    for (uint32_t channel = 0; channel < depth; ++channel) {
                        const uint32_t at = (group * depth + channel) * plane + line + x_first * c->dilation_w;
                        const uint32_t first = (channel * c->kernel_h + ky) * c->kernel_w + x_first;
                        ccx_conv_run(c, group, values, value_bits, at, c->dilation_w, first, x_end - x_first, sums);
                    }
                    continue;
                }
                for (uint32_t kx = x_first; kx < x_end; kx = together ? x_end : kx + 1u) {
                    const uint32_t at = (line + kx * c->dilation_w) * c->channels + group * depth;
                    const uint32_t first = (ky * c->kernel_w + kx) * depth;
                    const uint32_t taps = together ? x_end - x_first : 1u;
                    ccx_conv_run(c, group, values, value_bits, at, 1, first, taps * depth, sums);
                }
            }
        }
    }
}

#endif
