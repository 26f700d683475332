#include "ccx_frontend.h"

#include "ccx_fixed.h"

/* Filter and detector from rest, the next sample being number `index`. */
static void start(ccx_frontend *f, int64_t index)
{
    f->cascade.settled = false;
    __builtin_memset(&f->sharpness, 0, sizeof f->sharpness);
    ccx_history_start(&f->filtered, index);
    ccx_detector_start(&f->detector, index);
    f->waiting_count = 0;
    f->beat_ready = false;
    f->end = index;
    f->phase = CCX_FRONTEND_OPEN;
}

bool ccx_frontend_init(ccx_frontend *f, uint32_t gain)
{
    __builtin_memset(&f->builder, 0, sizeof f->builder);
    f->last_count = 0;
    f->hold = 0;
    f->resume = 0;
    start(f, 0);
    if (!ccx_gain_init(&f->gain, gain)) {
        f->phase = CCX_FRONTEND_ENDED;
        return false;
    }
    return true;
}

/* Take the next filtered sample. */
static void listen(ccx_frontend *f, int32_t filtered)
{
    ccx_history_push(&f->filtered, filtered);
    ccx_detector_push(&f->detector, &f->filtered, ccx_sharpness_push(&f->sharpness, filtered));
}

static int32_t take(ccx_frontend *f, int16_t count)
{
    const int32_t filtered = ccx_cascade_push(&f->cascade, ccx_gain_scale(&f->gain, count));
    listen(f, filtered);
    f->last_count = count;
    ++f->end;
    return filtered;
}

/* Index in the filtered signal where it bends most, near `middle`; the first of equals. The bend there is found again
 * from the filtered signal, which is kept anyway: its filter forgets within 2 * CCX_FE_BEND_DELAY samples. */
static int64_t sharpest(const ccx_history *filtered, int64_t middle)
{
    ccx_bend bend = {.slope = 0};
    const int64_t first = middle - CCX_FE_ALIGN_REACH, last = middle + CCX_FE_ALIGN_REACH;
    for (int64_t i = first - CCX_FE_BEND_DELAY; i < first + CCX_FE_BEND_DELAY; ++i) {
        ccx_bend_push(&bend, ccx_history_at(filtered, i));
    }
    int64_t place = first;
    int32_t most = -1;
    for (int64_t i = first; i <= last && i + CCX_FE_BEND_DELAY < filtered->end; ++i) {
        const int32_t here = ccx_bend_push(&bend, ccx_history_at(filtered, i + CCX_FE_BEND_DELAY));
        const int32_t size = here < 0 ? -here : here;
        if (size > most) {
            most = size;
            place = i;
        }
    }
    return place;
}

/* Whether the oldest waiting beat's window is complete, or will never be. */
static bool complete(ccx_frontend *f)
{
    const bool closing = f->phase == CCX_FRONTEND_BREAKING || f->phase == CCX_FRONTEND_ENDING;
    if (closing && f->hold == 0) {
        return true;
    }
    ccx_waiting *const beat = f->waiting;
    const int64_t newest = f->filtered.end - 1;
    if (beat->middle + CCX_FE_ALIGN_REACH + CCX_FE_BEND_DELAY > newest) {
        return false;
    }
    if (!beat->placed) {
        beat->fiducial = sharpest(&f->filtered, beat->middle);
        beat->placed = true;
    }
    return ccx_max64(beat->fiducial + CCX_FE_AFTER, beat->known) <= newest;
}

/* Let the beats wait that are known of by now, up to the first that is complete. No more than CCX_FE_MAX_WAITING fit
 * between the last place where a QRS can be found and the first whose window is complete. */
static void look_for_beat(ccx_frontend *f)
{
    f->beat_ready = f->waiting_count > 0 && complete(f);
    ccx_detection found;
    while (!f->beat_ready && f->waiting_count < CCX_FE_MAX_WAITING && ccx_detector_next(&f->detector, &found)) {
        f->waiting[f->waiting_count++] = (ccx_waiting){found.middle, found.known, 0, false};
        f->beat_ready = complete(f);
    }
}

/* The oldest waiting beat, which is complete. Returns false for a QRS whose peak would be yet to come. */
static bool build(ccx_frontend *f, ccx_beat *beat)
{
    const bool closing = f->phase == CCX_FRONTEND_BREAKING || f->phase == CCX_FRONTEND_ENDING;
    const ccx_waiting w = f->waiting[0];
    const int64_t fiducial = w.placed ? w.fiducial : sharpest(&f->filtered, w.middle);
    for (uint32_t i = 1; i < f->waiting_count; ++i) {
        f->waiting[i - 1u] = f->waiting[i];
    }
    --f->waiting_count;
    if (closing && fiducial >= f->end) {
        return false;
    }
    const int64_t surround = w.middle + CCX_FE_ALIGN_REACH + CCX_FE_BEND_DELAY;
    const int64_t ready = ccx_max64(ccx_max64(fiducial + CCX_FE_AFTER, surround), w.known);
    const int64_t sample = ccx_max64(0, fiducial - CCX_FE_FILTER_DELAY);
    ccx_builder_build(&f->builder, &f->filtered, fiducial, sample, closing ? f->end - 1 : ready, beat);
    return true;
}

static bool takes_more(const ccx_frontend *f)
{
    return f->phase == CCX_FRONTEND_OPEN && !f->beat_ready;
}

size_t ccx_frontend_push(ccx_frontend *f, const int16_t *counts, size_t count, int32_t *filtered)
{
    size_t taken = 0;
    while (taken < count && takes_more(f)) {
        const int32_t value = take(f, counts[taken]);
        look_for_beat(f);
        if (filtered != NULL) {
            filtered[taken] = value;
        }
        ++taken;
    }
    return taken;
}

static bool empty(const ccx_frontend *f)
{
    return f->filtered.end == f->filtered.start;
}

bool ccx_frontend_gap(ccx_frontend *f, uint32_t lost)
{
    if (!takes_more(f)) {
        return false;
    }
    if (lost <= CCX_FE_HOLD_LIMIT && !empty(f)) {
        f->phase = CCX_FRONTEND_HOLDING;
        f->hold = lost;
    } else {
        f->phase = CCX_FRONTEND_BREAKING;
        f->hold = empty(f) ? 0 : CCX_FE_HOLD;
        f->resume = f->end + (int64_t)lost;
    }
    return true;
}

bool ccx_frontend_flush(ccx_frontend *f)
{
    if (!takes_more(f)) {
        return false;
    }
    f->phase = CCX_FRONTEND_ENDING;
    f->hold = empty(f) ? 0 : CCX_FE_HOLD;
    return true;
}

/* Hold the last value for one sample more, or, where that is done, go on. Returns false where nothing is left to do. */
static bool work_off(ccx_frontend *f)
{
    if (f->phase == CCX_FRONTEND_OPEN || f->phase == CCX_FRONTEND_ENDED) {
        return false;
    }
    if (f->hold > 0) {
        --f->hold;
        if (f->phase == CCX_FRONTEND_HOLDING) {
            take(f, f->last_count);
        } else {
            listen(f, ccx_history_at(&f->filtered, f->filtered.end - 1));
        }
        look_for_beat(f);
        return true;
    }
    if (f->phase == CCX_FRONTEND_HOLDING) {
        f->phase = CCX_FRONTEND_OPEN;
    } else if (f->phase == CCX_FRONTEND_BREAKING) {
        ccx_builder_restart(&f->builder);
        start(f, f->resume);
    } else {
        f->phase = CCX_FRONTEND_ENDED;
    }
    return false;
}

bool ccx_frontend_poll(ccx_frontend *f, ccx_beat *beat)
{
    do {
        while (f->beat_ready) {
            const bool built = build(f, beat);
            look_for_beat(f);
            if (built) {
                return true;
            }
        }
    } while (work_off(f));
    return false;
}

size_t ccx_frontend_size(void)
{
    return sizeof(ccx_frontend);
}
