/* A kernel that slides over a line or a plane (a line has height 1):
 * a[o][y][x] = sum over c, k of w[o][c][k] * s[c][y * stride + ky * dilation - padding][...], zeros outside.
 *
 * Sums and populations have their channels last, so that what one tap adds are neighbours. */
#ifndef CCX_CONV_H
#define CCX_CONV_H

#include "ccx_rows.h"

typedef struct {
    /* Event-driven: [channels][kernel_h][kernel_w] rows of targets / groups.
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

/* Which taps of one axis hit an output, for a source at `at` (padding counted): the first tap, and the distance to the
 * next. With dilation each tap is tried. */
CCX_KERNEL uint32_t ccx_first_tap(uint32_t at, uint32_t stride, uint32_t dilation)
{
    return dilation == 1u ? at % stride : 0u;
}

/* The output that tap k connects with a source at `at`, or UINT32_MAX. */
CCX_KERNEL uint32_t ccx_hit(uint32_t at, uint32_t k, uint32_t stride, uint32_t dilation)
{
    const uint32_t reach = k * dilation;
    return reach > at || (dilation != 1u && (at - reach) % stride != 0u) ? UINT32_MAX : (at - reach) / stride;
}

/* One source neuron to all its targets. `spike`: its value is 1, and not multiplied. */
CCX_KERNEL void ccx_conv_scatter(const ccx_conv *c, uint32_t channel, uint32_t y, uint32_t x, bool spike, int32_t value,
                                 void *restrict sums)
{
    const uint32_t width = c->targets / c->groups, row_bytes = ccx_row_bytes(c->weight_bits, width);
    const uint32_t group = c->groups == 1u ? 0u : channel / (c->channels / c->groups);
    const uint8_t *const taps = (const uint8_t *)c->weights + channel * c->kernel_h * c->kernel_w * row_bytes;
    const uint32_t step_h = c->dilation_h == 1u ? c->stride_h : 1u, step_w = c->dilation_w == 1u ? c->stride_w : 1u;
    const uint32_t at_y = y + c->padding_h, at_x = x + c->padding_w;
    for (uint32_t ky = ccx_first_tap(at_y, c->stride_h, c->dilation_h); ky < c->kernel_h; ky += step_h) {
        const uint32_t out_y = ccx_hit(at_y, ky, c->stride_h, c->dilation_h);
        if (out_y >= c->out_h) {
            continue;
        }
        for (uint32_t kx = ccx_first_tap(at_x, c->stride_w, c->dilation_w); kx < c->kernel_w; kx += step_w) {
            const uint32_t out_x = ccx_hit(at_x, kx, c->stride_w, c->dilation_w);
            if (out_x >= c->out_w) {
                continue;
            }
            const uint32_t first = (out_y * c->out_w + out_x) * c->targets + group * width;
            const uint8_t *const row = taps + (ky * c->kernel_w + kx) * row_bytes;
            if (spike) {
                ccx_add_row((uint8_t *)sums + first * (c->sum_bits / 8u), c->sum_bits, row, c->weight_bits, width);
            } else {
                ccx_add_scaled_row((uint32_t *)sums + first, row, c->weight_bits, value, width);
            }
        }
    }
}

/* Event-driven, from a list of spikes. */
CCX_KERNEL void ccx_conv_spikes(const ccx_conv *c, const ccx_index *list, uint32_t count, void *restrict sums)
{
    const uint32_t plane = c->height * c->width;
    for (uint32_t e = 0; e < count; ++e) {
        const uint32_t channel = c->channels_last ? list[e] % c->channels : list[e] / plane;
        const uint32_t at = c->channels_last ? list[e] / c->channels : list[e] % plane;
        ccx_conv_scatter(c, channel, at / c->width, at % c->width, true, 1, sums);
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
                ccx_conv_scatter(c, channel, at / c->width, at % c->width, false, value, sums);
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

/* Dense: every weight is multiplied, whatever was sent. `values` are 0 and 1 for spikes. */
CCX_KERNEL void ccx_conv_rows(const ccx_conv *c, const void *values, uint32_t value_bits, uint32_t *restrict sums)
{
    const uint32_t depth = c->channels / c->groups, plane = c->height * c->width;
    const uint32_t row_bytes = ccx_row_bytes(c->weight_bits, depth * c->kernel_h * c->kernel_w);
    for (uint32_t q = 0; q < c->out_h * c->out_w; ++q) {
        const int32_t y = (int32_t)(q / c->out_w * c->stride_h) - (int32_t)c->padding_h;
        const int32_t x = (int32_t)(q % c->out_w * c->stride_w) - (int32_t)c->padding_w;
        uint32_t y_first, x_first;
        const uint32_t y_end = ccx_inside(y, c->height, c->kernel_h, c->dilation_h, &y_first);
        const uint32_t x_end = ccx_inside(x, c->width, c->kernel_w, c->dilation_w, &x_first);
        for (uint32_t o = 0; o < c->targets; ++o) {
            const uint8_t *const row = (const uint8_t *)c->weights + o * row_bytes;
            const uint32_t from = c->groups == 1u ? 0u : o / (c->targets / c->groups) * depth;
            uint32_t sum = 0;
            for (uint32_t ky = y_first; ky < y_end; ++ky) {
                const uint32_t line = ((uint32_t)y + ky * c->dilation_h) * c->width + (uint32_t)x;
                if (c->channels_last) {
                    for (uint32_t kx = x_first; kx < x_end; ++kx) {
                        const uint32_t at = (line + kx * c->dilation_w) * c->channels + from;
                        sum += ccx_dot(row, c->weight_bits, (ky * c->kernel_w + kx) * depth,
                                       (const uint8_t *)values + at * (value_bits / 8u), value_bits, 1, depth);
                    }
                } else if (x_first < x_end) {
                    for (uint32_t channel = 0; channel < depth; ++channel) {
                        const uint32_t at = (from + channel) * plane + line + x_first * c->dilation_w;
                        sum += ccx_dot(row, c->weight_bits, (channel * c->kernel_h + ky) * c->kernel_w + x_first,
                                       (const uint8_t *)values + at * (value_bits / 8u), value_bits, c->dilation_w,
                                       x_end - x_first);
                    }
                }
            }
            sums[q * c->targets + o] += sum;
        }
    }
}

#endif
