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

/* Event-driven, from a list of spikes: costs nothing where nothing fired. */
CCX_KERNEL void ccx_dense_spikes(const ccx_dense *d, const ccx_index *list, uint32_t count, void *restrict sums)
{
    ccx_add_rows(sums, d->sum_bits, d->weights, d->weight_bits, d->targets, list, count, 0);
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
