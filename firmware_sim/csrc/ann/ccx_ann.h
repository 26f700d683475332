/* A layer of an int8 ANN, the counterpart of a spiking layer to compare it with:
 *
 *     acc[q][o] = bias[o] + sum over i of weight[o][i] * x[q * step + i]
 *     y[q][o]   = clip(((acc * multiplier + 2^(shift - 1)) >> shift) + zero, -128, 127)
 *
 * bit for bit as cortexcore/firmware_sim/codegen/ann.py has it. Values have 16 bits between layers, though they fit
 * into 8, and lie with their channels last: what a window covers are neighbours, so that nothing is gathered or widened
 * before it is multiplied. On Armv7E-M two outputs of two positions share what they load, 18 instructions for 16
 * products: the block of CMSIS-NN's arm_nn_mat_mult_kernel_s8_s16, without its im2col. A dense layer has one position,
 * whose values four outputs share, 22 instructions for 16 products. That is the least: with loops, what does not fit in
 * the registers, and bringing sums onto the output's grid, ziglang 0.17.1 makes 1.5 to 1.8 a product of it.
 */
#ifndef CCX_ANN_H
#define CCX_ANN_H

#include "ccx_rows.h"

typedef struct {
    const int8_t *weights; /* [outputs][count], each whole four with its inner two exchanged where CCX_LANES */
    const int32_t *bias;   /* [outputs] */
    uint32_t outputs;
    uint32_t positions; /* windows: 1 in a dense layer */
    uint32_t step;      /* values between two windows; where it is odd, every other load is unaligned: a cycle more */
    uint32_t count;     /* values in a window, with zero weights up to a multiple of four: x is readable that far */
    int32_t multiplier; /* 2^30 .. 2^31 - 1 */
    uint32_t shift;     /* 33 .. 54 */
    int32_t zero;       /* -128 .. 127 */
} ccx_ann;

/* A sum on the output's grid. The half and the zero are added before the shift, which comes to the same, and to the
 * upper word alone, since the lower one of both is 0: one multiplication that adds, one shift that saturates. */
CCX_KERNEL int16_t ccx_ann_sent(const ccx_ann *l, int32_t sum)
{
    const uint32_t down = l->shift - 32u;
    const int32_t added = l->zero * (int32_t)(1u << down) + (int32_t)(1u << (down - 1u));
#if CCX_DSP
    int32_t high; /* in C, compilers lose the sign of a constant factor and take three instructions */
    __asm__("smmla %0, %1, %2, %3" : "=r"(high) : "r"(sum), "r"(l->multiplier), "r"(added));
    return (int16_t)__ssat(high >> down, 8);
#else
    const int32_t y = ((int32_t)(((int64_t)sum * l->multiplier) >> 32) + added) >> down;
    return (int16_t)(y < -128 ? -128 : y > 127 ? 127 : y);
#endif
}

/* `rows` outputs from number o on, at `columns` positions from number q on: constants at each call, at most 4 sums. */
CCX_KERNEL void ccx_ann_block(const ccx_ann *l, const int16_t *restrict x, int16_t *restrict y, uint32_t o,
                              uint32_t rows, uint32_t q, uint32_t columns)
{
    const int8_t *w = l->weights + o * l->count;
    int32_t sums[4];
    x += q * l->step;
    for (uint32_t c = 0; c < columns; ++c) {
        for (uint32_t r = 0; r < rows; ++r) {
            sums[c * rows + r] = l->bias[o + r];
        }
    }
#if CCX_DSP && CCX_LANES
    for (const int8_t *const end = w + l->count; w != end; w += 4, x += 4) {
        uint32_t low[4], high[4];
        for (uint32_t c = 0; c < columns; ++c) {
            low[c] = ccx_load(x + c * l->step), high[c] = ccx_load(x + c * l->step + 2);
        }
        for (uint32_t r = 0; r < rows; ++r) {
            const uint32_t four = ccx_load(w + r * l->count);
            const int16x2_t first = __sxtb16((int8x4_t)four), last = __sxtb16((int8x4_t)__ror(four, 8));
            for (uint32_t c = 0; c < columns; ++c) {
                const int32_t sum = __smlad(first, (int16x2_t)low[c], sums[c * rows + r]);
                sums[c * rows + r] = __smlad(last, (int16x2_t)high[c], sum);
            }
        }
    }
#else
    for (uint32_t c = 0; c < columns; ++c) {
        for (uint32_t r = 0; r < rows; ++r) {
            for (uint32_t i = 0; i < l->count; ++i) {
                sums[c * rows + r] += w[r * l->count + ccx_lane(i, l->count)] * x[c * l->step + i];
            }
        }
    }
#endif
    for (uint32_t c = 0; c < columns; ++c) {
        for (uint32_t r = 0; r < rows; ++r) {
            y[(q + c) * l->outputs + o + r] = ccx_ann_sent(l, sums[c * rows + r]);
        }
    }
}

/* One layer: x as its sources left it, y [positions][outputs]. */
CCX_KERNEL void ccx_ann_layer(const ccx_ann *l, const int16_t *restrict x, int16_t *restrict y)
{
    uint32_t o = 0;
    for (; l->positions > 1u && o + 2u <= l->outputs; o += 2u) {
        uint32_t q = 0;
        for (; q + 2u <= l->positions; q += 2u) {
            ccx_ann_block(l, x, y, o, 2, q, 2);
        }
        for (; q < l->positions; ++q) {
            ccx_ann_block(l, x, y, o, 2, q, 1);
        }
    }
    for (; l->positions == 1u && o + 4u <= l->outputs; o += 4u) {
        ccx_ann_block(l, x, y, o, 4, 0, 1);
    }
    for (; o < l->outputs; ++o) {
        for (uint32_t q = 0; q < l->positions; ++q) {
            ccx_ann_block(l, x, y, o, 1, q, 1);
        }
    }
}

/* An input [channels][positions] as its layer takes it. */
CCX_KERNEL void ccx_ann_enter(const int8_t *restrict from, uint32_t channels, uint32_t positions, int16_t *restrict to)
{
    for (uint32_t q = 0; q < positions; ++q) {
        for (uint32_t c = 0; c < channels; ++c) {
            to[q * channels + c] = from[c * positions + q];
        }
    }
}

/* What a layer sent, [channels][positions] again. */
CCX_KERNEL void ccx_ann_leave(const int16_t *restrict from, uint32_t channels, uint32_t positions, int8_t *restrict to)
{
    for (uint32_t q = 0; q < positions; ++q) {
        for (uint32_t c = 0; c < channels; ++c) {
            to[c * positions + q] = (int8_t)from[q * channels + c];
        }
    }
}

#endif
