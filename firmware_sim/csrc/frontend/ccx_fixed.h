/* Integer arithmetic of the front end, as cortexcore/runtime/frontend/fixed.py has it. */
#ifndef CCX_FIXED_H
#define CCX_FIXED_H

#include <stdint.h>

/* C99 leaves the right shift of a negative number to the compiler. The shift asked for keeps the sign, as gcc, clang
 * and Arm's compilers have it; elsewhere this array has a negative size. */
typedef char ccx_fixed_needs_arithmetic_shift[(-5 >> 1) == -3 ? 1 : -1];

/* Saturate to +-127. */
static inline int8_t ccx_clip8(int64_t value)
{
    return (int8_t)(value > 127 ? 127 : value < -127 ? -127 : value);
}

static inline int64_t ccx_max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* a / b, rounded down; b > 0. One hardware division where both fit into 32 bits, else some hundred instructions. */
int64_t ccx_floor_div(int64_t a, int64_t b);

/* The whole part of the square root; some 300 instructions. */
uint32_t ccx_isqrt(uint64_t value);

/* 64 * log2(value / reference), saturated; 0 where either is below 1. Both below 2^31. */
int8_t ccx_log2_ratio(int32_t value, int32_t reference);

/* The middle one of the values in order, the lower of two; 0 for none. Costs about 3 * count * bits of the largest. */
uint32_t ccx_lower_median(const uint32_t *values, uint32_t count);

/* 127 times the correlation coefficient, rounded down; 0 where one is constant. At most 364 values, in +-127. */
int8_t ccx_correlation(const int8_t *a, const int8_t *b, uint32_t count);

#endif
