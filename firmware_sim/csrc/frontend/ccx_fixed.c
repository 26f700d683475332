#include "ccx_fixed.h"

#include "ccx_frontend_config.h"

int64_t ccx_floor_div(int64_t a, int64_t b)
{
    if (a >= INT32_MIN && a <= INT32_MAX && b <= INT32_MAX) {
        const int32_t a32 = (int32_t)a, b32 = (int32_t)b;
        return a32 / b32 - (a32 % b32 < 0 ? 1 : 0);
    }
    return a / b - (a % b < 0 ? 1 : 0);
}

uint32_t ccx_isqrt(uint64_t value)
{
    uint64_t root = 0, bit = (uint64_t)1 << 62;
    while (bit > value) {
        bit >>= 2;
    }
    for (; bit != 0; bit >>= 2) {
        if (value >= root + bit) {
            value -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return (uint32_t)root;
}

static int32_t top_bit(uint32_t value)
{
    int32_t top = -1;
    for (; value != 0; value >>= 1) {
        ++top;
    }
    return top;
}

/* 64 * log2(value), value >= 1: the place of the top bit, then a parabola with f in 1/256. */
static int32_t log2_steps(int32_t value)
{
    const int32_t top = top_bit((uint32_t)value);
    const int32_t fraction = (top >= 8 ? value >> (top - 8) : value << (8 - top)) - 256;
    const int32_t curved = fraction + ((fraction * (256 - fraction) * 88) >> 16);
    return top * CCX_FE_LOG2_ONE + ((curved + 2) >> 2);
}

int8_t ccx_log2_ratio(int32_t value, int32_t reference)
{
    return value < 1 || reference < 1 ? (int8_t)0 : ccx_clip8(log2_steps(value) - log2_steps(reference));
}

uint32_t ccx_lower_median(const uint32_t *values, uint32_t count)
{
    uint32_t all = 0, least = 0;
    for (uint32_t i = 0; i < count; ++i) {
        all |= values[i];
    }
    /* From the top bit down: `least` grows to the largest number that at most (count - 1) / 2 values stay below. */
    for (int32_t bit = top_bit(all); bit >= 0; --bit) {
        const uint32_t tried = least | (uint32_t)1 << bit;
        uint32_t below = 0;
        for (uint32_t i = 0; i < count; ++i) {
            below += values[i] < tried ? 1u : 0u;
        }
        if (below <= (count - 1u) / 2u) {
            least = tried;
        }
    }
    return least;
}

int8_t ccx_correlation(const int8_t *a, const int8_t *b, uint32_t count)
{
    int32_t sum_a = 0, sum_b = 0, sum_ab = 0, sum_aa = 0, sum_bb = 0;
    for (uint32_t i = 0; i < count; ++i) {
        sum_a += a[i];
        sum_b += b[i];
        sum_ab += a[i] * b[i];
        sum_aa += a[i] * a[i];
        sum_bb += b[i] * b[i];
    }
    const int32_t n = (int32_t)count;
    const int64_t covariance = n * sum_ab - sum_a * sum_b;
    const int64_t variance_a = n * sum_aa - sum_a * sum_a, variance_b = n * sum_bb - sum_b * sum_b;
    const int64_t norm = ccx_isqrt((uint64_t)(variance_a * variance_b));
    return norm == 0 ? (int8_t)0 : ccx_clip8(ccx_floor_div(127 * covariance, norm));
}
