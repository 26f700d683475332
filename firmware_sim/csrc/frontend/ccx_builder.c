#include "ccx_builder.h"

#include "ccx_fixed.h"

typedef char ccx_builder_writes_twelve_features[CCX_FE_FEATURES == 12 ? 1 : -1];

/* Peak to peak below 2^25; 16 * area / height is at most 16 * samples, since no sample is further from the base. */
typedef struct {
    int32_t height;
    uint32_t width;
} size_of_qrs;

void ccx_builder_restart(ccx_builder *builder)
{
    ccx_rhythm_restart(&builder->rhythm);
}

static size_of_qrs measure(const ccx_history *filtered, int64_t fiducial)
{
    const int64_t first = fiducial - CCX_FE_QRS_REACH, last = fiducial + CCX_FE_QRS_REACH;
    const int32_t base = (ccx_history_at(filtered, first) + ccx_history_at(filtered, last)) >> 1;
    int32_t low = INT32_MAX, high = INT32_MIN;
    int64_t area = 0;
    for (int64_t i = first; i <= last; ++i) {
        const int32_t here = ccx_history_at(filtered, i);
        low = here < low ? here : low;
        high = here > high ? here : high;
        area += here > base ? here - base : base - here;
    }
    const int32_t height = high > low ? high - low : 1;
    return (size_of_qrs){height, (uint32_t)ccx_floor_div(16 * area, height)};
}

/* Every CCX_FE_DECIMATION-th sample, scale * x / height to the nearest whole number (halves up), saturated. */
static void cut(const ccx_history *filtered, int64_t fiducial, uint32_t usual_height, int8_t *window)
{
    int64_t index = fiducial - (int64_t)CCX_FE_DECIMATION * CCX_FE_WINDOW_BEFORE;
    for (uint32_t i = 0; i < CCX_FE_WINDOW; ++i) {
        const int64_t scaled = 2 * CCX_FE_WINDOW_SCALE * (int64_t)ccx_history_at(filtered, index) + usual_height;
        window[i] = ccx_clip8(ccx_floor_div(scaled, 2 * (int64_t)usual_height));
        index += CCX_FE_DECIMATION;
    }
}

void ccx_builder_build(ccx_builder *builder, const ccx_history *filtered, int64_t fiducial, int64_t sample,
                       int64_t ready, ccx_beat *beat)
{
    const size_of_qrs size = measure(filtered, fiducial);
    ccx_recent_push(&builder->height_place, builder->heights, CCX_FE_MEMORY, (uint32_t)size.height);
    ccx_recent_push(&builder->width_place, builder->widths, CCX_FE_MEMORY, size.width);
    const uint32_t usual_height = ccx_lower_median(builder->heights, builder->height_place.count);
    const uint32_t usual_width = ccx_lower_median(builder->widths, builder->width_place.count);
    cut(filtered, fiducial, usual_height, beat->window[0]);
    const ccx_likeness like = ccx_shapes_compare(&builder->shapes, beat->window[0], beat->window[1]);
    beat->rr_ms = CCX_FE_MS_PER_SAMPLE * ccx_rhythm_features(&builder->rhythm, fiducial, beat->rhythm);
    beat->rhythm[7] = ccx_log2_ratio(size.height, (int32_t)usual_height);
    beat->rhythm[8] = ccx_log2_ratio((int32_t)size.width, (int32_t)usual_width);
    beat->rhythm[9] = like.qrs_match;
    beat->rhythm[10] = like.p_match;
    beat->rhythm[11] = like.share;
    beat->sample = sample;
    beat->ready = ready;
}
