#include "ccx_filters.h"

#include "ccx_fixed.h"

/* b0, b1, b2, a1, a2 of each section, times 2^CCX_FE_COEFFICIENT_BITS. */
static const int32_t coefficients[CCX_FE_SECTIONS][5] = CCX_FE_COEFFICIENTS;

bool ccx_gain_init(ccx_gain *gain, uint32_t thousandths)
{
    if (thousandths < 1000u || thousandths > 1048576000u) {
        return false;
    }
    /* multiplier / 2^shift is unit / gain, rounded to the nearest: no gain lies halfway between two. */
    const uint64_t unit = (uint64_t)CCX_FE_UNIT_PER_MV * 1000u;
    int32_t shift = 0;
    while (unit << shift < (uint64_t)thousandths << 14) {
        ++shift;
    }
    uint32_t multiplier = (uint32_t)(((unit << (shift + 1)) + thousandths) / (2u * (uint64_t)thousandths));
    if (multiplier == 1u << 15) {
        multiplier = 1u << 14;
        --shift;
    }
    gain->multiplier = (int32_t)multiplier;
    gain->shift = shift;
    return true;
}

int32_t ccx_gain_scale(const ccx_gain *gain, int16_t count)
{
    const int32_t scaled = (count * gain->multiplier + (1 << (gain->shift - 1))) >> gain->shift;
    const int32_t limit = CCX_FE_INPUT_LIMIT;
    return scaled > limit ? limit : scaled < -limit ? -limit : scaled;
}

/* The state after infinitely long constant input. */
static void settle(ccx_cascade *cascade, int32_t level)
{
    for (uint32_t i = 0; i < CCX_FE_SECTIONS; ++i) {
        const int32_t *const c = coefficients[i];
        const int64_t gain = (int64_t)c[0] + c[1] + c[2];
        const int64_t one = ((int64_t)1 << CCX_FE_COEFFICIENT_BITS) + c[3] + c[4];
        const int32_t out = (int32_t)ccx_floor_div(level * gain, one);
        cascade->sections[i] = (ccx_section){level, level, out, out, 0};
        level = out;
    }
    cascade->settled = true;
}

int32_t ccx_cascade_push(ccx_cascade *cascade, int32_t sample)
{
    if (!cascade->settled) {
        settle(cascade, sample);
    }
    for (uint32_t i = 0; i < CCX_FE_SECTIONS; ++i) {
        const int32_t *const c = coefficients[i];
        ccx_section *const s = &cascade->sections[i];
        const int64_t sum = (int64_t)c[0] * sample + (int64_t)c[1] * s->x1 + (int64_t)c[2] * s->x2 -
                            (int64_t)c[3] * s->y1 - (int64_t)c[4] * s->y2 + s->rest;
        s->x2 = s->x1;
        s->x1 = sample;
        s->y2 = s->y1;
        s->y1 = (int32_t)(sum >> CCX_FE_COEFFICIENT_BITS);
        s->rest = (int32_t)(sum & (((int64_t)1 << CCX_FE_COEFFICIENT_BITS) - 1));
        sample = s->y1;
    }
    return sample;
}
