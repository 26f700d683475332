/* Every source to every target: a[o] = sum over i of w[o][i] * s[i]. */
#ifndef CCX_DENSE_H
#define CCX_DENSE_H

#include "ccx_rows.h"

typedef struct {
    const void *weights;  /* event-driven: a row of `targets` per source; dense: a row of `sources` per target */
    uint32_t sources, targets;
    uint8_t weight_bits; /* 4, 8, 16 */
    uint8_t sum_bits;    /* 16, 32; graded and dense: 32 */
} ccx_dense;

CCX_KERNEL const void *ccx_dense_row(const ccx_dense *d, uint32_t row, uint32_t length)
{
    return (const uint8_t *)d->weights + row * ccx_row_bytes(d->weight_bits, length);
}

/* Event-driven, from a list of spikes. Costs nothing where nothing fired; on Armv7E-M 16 targets stay in registers while
 * all events pass, about one instruction per synaptic event. */
CCX_KERNEL void ccx_dense_spikes(const ccx_dense *d, const ccx_index *list, uint32_t count, void *restrict sums)
{
#if CCX_DSP && CCX_LANES
    if (d->weight_bits == 8u && d->sum_bits == 16u) {
        uint32_t o = 0;
        for (; o + 16u <= d->targets; o += 16u) {
            int16_t *const part = (int16_t *)sums + o;
            uint32_t s0 = ccx_load(part), s1 = ccx_load(part + 2), s2 = ccx_load(part + 4), s3 = ccx_load(part + 6);
            uint32_t s4 = ccx_load(part + 8), s5 = ccx_load(part + 10), s6 = ccx_load(part + 12);
            uint32_t s7 = ccx_load(part + 14);
            for (uint32_t e = 0; e < count; ++e) {
                const int8_t *const row = (const int8_t *)d->weights + list[e] * d->targets + o;
                ccx_add_four(&s0, &s1, ccx_load(row));
                ccx_add_four(&s2, &s3, ccx_load(row + 4));
                ccx_add_four(&s4, &s5, ccx_load(row + 8));
                ccx_add_four(&s6, &s7, ccx_load(row + 12));
            }
            ccx_store(part, s0), ccx_store(part + 2, s1), ccx_store(part + 4, s2), ccx_store(part + 6, s3);
            ccx_store(part + 8, s4), ccx_store(part + 10, s5), ccx_store(part + 12, s6), ccx_store(part + 14, s7);
        }
        for (uint32_t e = 0; e < count && o < d->targets; ++e) {
            const int8_t *const row = (const int8_t *)d->weights + list[e] * d->targets + o;
            ccx_add_row((int16_t *)sums + o, 16, row, 8, d->targets - o);
        }
        return;
    }
#endif
    for (uint32_t e = 0; e < count; ++e) {
        const void *const row = ccx_dense_row(d, list[e], d->targets);
        ccx_add_row(sums, d->sum_bits, row, d->weight_bits, d->targets);
    }
}

/* Event-driven, from graded values: zeros cost a look. */
CCX_KERNEL void ccx_dense_graded(const ccx_dense *d, const void *values, uint32_t value_bits, uint32_t *restrict sums)
{
    for (uint32_t i = 0; i < d->sources; ++i) {
        const int32_t value = ccx_value(values, value_bits, i);
        if (value != 0) {
            ccx_add_scaled_row(sums, ccx_dense_row(d, i, d->targets), d->weight_bits, value, d->targets);
        }
    }
}

/* Dense: every weight is multiplied, whatever was sent. `values` are 0 and 1 for spikes. */
CCX_KERNEL void ccx_dense_rows(const ccx_dense *d, const void *values, uint32_t value_bits, uint32_t *restrict sums)
{
    ccx_multiply_rows(sums, d->weights, ccx_row_bytes(d->weight_bits, d->sources), d->targets, d->weight_bits, 0, values,
                      value_bits, 1, d->sources);
}

#endif
