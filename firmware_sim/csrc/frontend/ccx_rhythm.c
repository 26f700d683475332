#include "ccx_rhythm.h"

#include "ccx_fixed.h"

void ccx_rhythm_restart(ccx_rhythm *rhythm)
{
    rhythm->any = false;
}

/* The newest intervals, oldest first, up to `most` of them. Returns how many. */
static uint32_t newest(const ccx_rhythm *rhythm, uint32_t most, uint32_t *values)
{
    const uint32_t count = rhythm->place.count < most ? rhythm->place.count : most;
    for (uint32_t i = 0; i < count; ++i) {
        values[i] = ccx_recent_at(&rhythm->place, rhythm->intervals, CCX_FE_LONG_MEMORY, count - 1u - i);
    }
    return count;
}

static uint32_t apart(uint32_t a, uint32_t b)
{
    return a > b ? a - b : b - a;
}

/* 256 * mean change / mean. */
static int8_t irregularity(const uint32_t *lately, uint32_t count)
{
    int64_t changes = 0, sum = 0;
    for (uint32_t i = 0; i < count; ++i) {
        changes += i > 0 ? apart(lately[i], lately[i - 1u]) : 0u;
        sum += lately[i];
    }
    return count == 0 ? (int8_t)0 : ccx_clip8(ccx_floor_div(256 * changes, sum));
}

/* 16 * (interval - usual) / (median deviation + floor), rounded down. Leaves the deviations in `lately`. */
static int8_t surprise(int32_t interval, uint32_t *lately, uint32_t count)
{
    if (interval <= 0 || count == 0) {
        return 0;
    }
    const uint32_t usual = ccx_lower_median(lately, count);
    for (uint32_t i = 0; i < count; ++i) {
        lately[i] = apart(lately[i], usual);
    }
    const int64_t spread = (int64_t)ccx_lower_median(lately, count) + CCX_FE_SPREAD_FLOOR;
    return ccx_clip8(ccx_floor_div(16 * ((int64_t)interval - usual), spread));
}

int32_t ccx_rhythm_features(ccx_rhythm *rhythm, int64_t fiducial, int8_t features[7])
{
    const int64_t since = rhythm->any ? fiducial - rhythm->last : 0;
    const int32_t interval = (int32_t)(since > CCX_FE_MAX_INTERVAL ? CCX_FE_MAX_INTERVAL : since);
    rhythm->last = fiducial;
    rhythm->any = true;
    uint32_t lately[CCX_FE_MEMORY > CCX_FE_SHORT_MEMORY ? CCX_FE_MEMORY : CCX_FE_SHORT_MEMORY];
    uint32_t count = newest(rhythm, CCX_FE_SHORT_MEMORY, lately);
    const int32_t local = (int32_t)ccx_lower_median(lately, count);
    const int32_t previous = count > 0 ? (int32_t)lately[count - 1u] : 0;
    /* The order of the values in their ring does not matter to a median. */
    const int32_t usual = (int32_t)ccx_lower_median(rhythm->intervals, rhythm->place.count);
    count = newest(rhythm, CCX_FE_MEMORY, lately);
    features[0] = ccx_log2_ratio(interval, local);
    features[1] = ccx_log2_ratio(interval, usual);
    features[2] = ccx_log2_ratio(previous, usual);
    features[3] = ccx_log2_ratio(interval, previous);
    features[4] = ccx_log2_ratio(local, usual);
    features[5] = irregularity(lately, count);
    features[6] = surprise(interval, lately, count);
    if (interval > 0) {
        ccx_recent_push(&rhythm->place, rhythm->intervals, CCX_FE_LONG_MEMORY, (uint32_t)interval);
    }
    return interval;
}
