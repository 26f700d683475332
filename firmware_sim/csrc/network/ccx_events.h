/* What passes between layers: lists of the neurons that fired, and their order. */
#ifndef CCX_EVENTS_H
#define CCX_EVENTS_H

#include "ccx_base.h"

/* Set `bytes` bytes to zero. */
CCX_KERNEL void ccx_clear(void *memory, size_t bytes)
{
    __builtin_memset(memory, 0, bytes);
}

/* The indices of the values that are not zero, ascending: `list` takes up to `count`. Returns how many. Four zeros cost
 * one look. */
CCX_KERNEL uint32_t ccx_list(const int8_t *values, uint32_t count, ccx_index *list)
{
    uint32_t found = 0, i = 0;
    for (; i + 4u <= count; i += 4u) {
        uint32_t four;
        __builtin_memcpy(&four, values + i, sizeof four);
        if (four != 0u) {
            for (uint32_t k = i; k < i + 4u; ++k) {
                list[found] = (ccx_index)k;
                found += values[k] != 0 ? 1u : 0u;
            }
        }
    }
    for (; i < count; ++i) {
        if (values[i] != 0) {
            list[found++] = (ccx_index)i;
        }
    }
    return found;
}

/* Populations of several axes are kept with their channels last, neighbours in memory; outside they have them first.
 * The index outside of neuron i of `channels` times `positions`. */
CCX_KERNEL uint32_t ccx_outside(uint32_t i, uint32_t channels, uint32_t positions)
{
    return positions == 1u ? i : (i % channels) * positions + i / channels;
}

/* to[outside] = 1 for each neuron in the list, 0 for all others. */
CCX_KERNEL void ccx_read_spikes(const ccx_index *list, uint32_t count, uint32_t channels, uint32_t positions, uint8_t *to)
{
    ccx_clear(to, channels * positions);
    for (uint32_t e = 0; e < count; ++e) {
        to[ccx_outside(list[e], channels, positions)] = 1;
    }
}

/* to[outside] = values[inside] for every neuron. */
CCX_KERNEL void ccx_read_states(const int32_t *values, uint32_t channels, uint32_t positions, int32_t *to)
{
    for (uint32_t i = 0; i < channels * positions; ++i) {
        to[ccx_outside(i, channels, positions)] = values[i];
    }
}

/* A sum of weights as the neuron takes it: shifted by the layer's exponent, arithmetically to the right, times 2^6. */
CCX_KERNEL uint32_t ccx_shifted(int32_t sum, int32_t exponent)
{
    return exponent >= 0 ? (uint32_t)sum << (exponent + 6) : (uint32_t)(sum >> -exponent) << 6;
}

#endif
