/* Rows of weights: how they are stored, added to sums, and multiplied.
 *
 * A row is what one source neuron sends to its targets (event-driven kernels), or what one target receives (dense
 * kernels). Weights have 4, 8 or 16 bits, without the power of two that all of a layer share; rows of 4 bits hold two a
 * byte, the lower half first, and start at a whole byte. Sums of 16 bits are proven to hold; sums of 32 bits count modulo
 * 2^32, of which the neuron needs no more than 26 bits.
 */
#ifndef CCX_ROWS_H
#define CCX_ROWS_H

#include "ccx_base.h"

#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32
#include <arm_acle.h>
#define CCX_DSP 1
#else
#define CCX_DSP 0
#endif

/* Bytes of a row of `count` weights. */
CCX_KERNEL uint32_t ccx_row_bytes(uint32_t bits, uint32_t count)
{
    return (count * bits + 7u) / 8u;
}

/* Weight i of a row. */
CCX_KERNEL int32_t ccx_weight(const void *row, uint32_t bits, uint32_t i)
{
    if (bits == 4u) {
        const uint32_t byte = ((const uint8_t *)row)[i >> 1];
        return (int32_t)(((byte >> ((i & 1u) * 4u)) & 15u) ^ 8u) - 8;
    }
    return bits == 8u ? ((const int8_t *)row)[i] : ((const int16_t *)row)[i];
}

/* Value i of what a source sends: signed, 8, 16 or 32 bits. */
CCX_KERNEL int32_t ccx_value(const void *values, uint32_t bits, uint32_t i)
{
    if (bits == 8u) {
        return ((const int8_t *)values)[i];
    }
    return bits == 16u ? ((const int16_t *)values)[i] : ((const int32_t *)values)[i];
}

/* Where the weight of target i stands in a row of `count` weights of 8 bits that adds to sums of 16: with CCX_LANES in
 * each whole four the inner two change places, so that SXTAB16, which takes bytes 0 and 2, finds neighbours there. */
CCX_KERNEL uint32_t ccx_lane(uint32_t i, uint32_t count)
{
    if (!CCX_LANES || (i | 3u) >= count) {
        return i;
    }
    return (i & ~3u) | ((i & 1u) << 1) | ((i >> 1) & 1u);
}

#if CCX_DSP
CCX_KERNEL uint32_t ccx_load(const void *from)
{
    uint32_t word;
    __builtin_memcpy(&word, from, sizeof word);
    return word;
}

CCX_KERNEL void ccx_store(void *to, uint32_t word)
{
    __builtin_memcpy(to, &word, sizeof word);
}

/* Four weights of 8 bits, in the order of ccx_lane, to four sums of 16 bits in two words: two instructions. */
CCX_KERNEL void ccx_add_four(uint32_t *low, uint32_t *high, uint32_t weights)
{
    *low = (uint32_t)__sxtab16((int16x2_t)*low, (int8x4_t)weights);
    *high = (uint32_t)__sxtab16((int16x2_t)*high, (int8x4_t)__ror(weights, 8));
}
#endif

/* sums[i] += row[i]: one event. `sums`: int16_t or uint32_t [count]. */
CCX_KERNEL void ccx_add_row(void *restrict sums, uint32_t sum_bits, const void *restrict row, uint32_t bits,
                            uint32_t count)
{
    uint32_t i = 0;
    if (sum_bits == 32u) {
        uint32_t *const wide = sums;
        for (; i < count; ++i) {
            wide[i] += (uint32_t)ccx_weight(row, bits, i);
        }
        return;
    }
    int16_t *const narrow = sums;
#if CCX_DSP && CCX_LANES
    for (; bits == 8u && i + 4u <= count; i += 4u) {
        uint32_t low = ccx_load(narrow + i), high = ccx_load(narrow + i + 2);
        ccx_add_four(&low, &high, ccx_load((const int8_t *)row + i));
        ccx_store(narrow + i, low);
        ccx_store(narrow + i + 2, high);
    }
#endif
    for (; i < count; ++i) {
        narrow[i] = (int16_t)(narrow[i] + ccx_weight(row, bits, bits == 8u ? ccx_lane(i, count) : i));
    }
}

/* ccx_add_row for each of `events` events: the row of event list[e] is number list[e] - first of `table`. On Armv7E-M
 * 16 sums stay in registers while all events pass, about one instruction per synaptic event. */
CCX_KERNEL void ccx_add_rows(void *restrict sums, uint32_t sum_bits, const void *restrict table, uint32_t bits,
                             uint32_t count, const ccx_index *list, uint32_t events, uint32_t first)
{
    const uint32_t row_bytes = ccx_row_bytes(bits, count);
    uint32_t done = 0;
#if CCX_DSP && CCX_LANES
    for (; bits == 8u && sum_bits == 16u && done + 16u <= count; done += 16u) {
        int16_t *const part = (int16_t *)sums + done;
        uint32_t s0 = ccx_load(part), s1 = ccx_load(part + 2), s2 = ccx_load(part + 4), s3 = ccx_load(part + 6);
        uint32_t s4 = ccx_load(part + 8), s5 = ccx_load(part + 10), s6 = ccx_load(part + 12), s7 = ccx_load(part + 14);
        CCX_ROLLED
        for (uint32_t e = 0; e < events; ++e) {
            const int8_t *const row = (const int8_t *)table + (list[e] - first) * row_bytes + done;
            ccx_add_four(&s0, &s1, ccx_load(row));
            ccx_add_four(&s2, &s3, ccx_load(row + 4));
            ccx_add_four(&s4, &s5, ccx_load(row + 8));
            ccx_add_four(&s6, &s7, ccx_load(row + 12));
        }
        ccx_store(part, s0), ccx_store(part + 2, s1), ccx_store(part + 4, s2), ccx_store(part + 6, s3);
        ccx_store(part + 8, s4), ccx_store(part + 10, s5), ccx_store(part + 12, s6), ccx_store(part + 14, s7);
    }
#endif
    CCX_ROLLED
    for (uint32_t e = 0; e < events && done < count; ++e) {
        const uint8_t *const row = (const uint8_t *)table + (list[e] - first) * row_bytes;
        ccx_add_row((uint8_t *)sums + done * (sum_bits / 8u), sum_bits, row + done, bits, count - done);
    }
}

/* sums[i] += row[i] * value: one graded event. */
CCX_KERNEL void ccx_add_scaled_row(uint32_t *restrict sums, const void *restrict row, uint32_t bits, int32_t value,
                                   uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        sums[i] += (uint32_t)ccx_weight(row, bits, i) * (uint32_t)value;
    }
}

/* sums[r] += sum over i of row r's weight[first + i] * values[i * step], modulo 2^32, for `rows` rows that lie `row_bytes`
 * apart. On Armv7E-M four rows share what they multiply with, about one and a half instructions per product. */
CCX_KERNEL void ccx_multiply_rows(uint32_t *restrict sums, const void *restrict row, uint32_t row_bytes, uint32_t rows,
                                  uint32_t bits, uint32_t first, const void *restrict values, uint32_t value_bits,
                                  uint32_t step, uint32_t count)
{
    const uint8_t *weights = row;
    uint32_t r = 0;
#if CCX_DSP
    for (; bits == 8u && value_bits == 8u && step == 1u && r + 4u <= rows; r += 4u) {
        uint32_t i = 0;
        for (; i + 4u <= count; i += 4u) {
            const uint32_t x = ccx_load((const int8_t *)values + i);
            const int16x2_t even = __sxtb16((int8x4_t)x), odd = __sxtb16((int8x4_t)__ror(x, 8));
            for (uint32_t k = 0; k < 4u; ++k) {
                const uint32_t w = ccx_load(weights + (r + k) * row_bytes + first + i);
                const int32_t sum = __smlad(__sxtb16((int8x4_t)w), even, (int32_t)sums[r + k]);
                sums[r + k] = (uint32_t)__smlad(__sxtb16((int8x4_t)__ror(w, 8)), odd, sum);
            }
        }
        for (; i < count; ++i) {
            for (uint32_t k = 0; k < 4u; ++k) {
                const uint32_t w = (uint32_t)ccx_weight(weights + (r + k) * row_bytes, 8, first + i);
                sums[r + k] += w * (uint32_t)ccx_value(values, 8, i);
            }
        }
    }
#endif
    for (; r < rows; ++r) {
        uint32_t sum = 0;
        for (uint32_t i = 0; i < count; ++i) {
            const uint32_t w = (uint32_t)ccx_weight(weights + r * row_bytes, bits, first + i);
            sum += w * (uint32_t)ccx_value(values, value_bits, i * step);
        }
        sums[r] += sum;
    }
}

#endif
