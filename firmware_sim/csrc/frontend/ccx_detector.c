#include "ccx_detector.h"

#include <stddef.h>

#include "ccx_fixed.h"

/* Samples without a QRS after which to search back; before any RR interval is known it counts as 1 s. */
static int64_t patience(const ccx_detector *d)
{
    const int64_t usual = ccx_lower_median(d->intervals, d->interval_place.count);
    return ccx_floor_div((usual != 0 ? usual : CCX_FE_RATE_HZ) * CCX_FE_SEARCH_RR_PERCENT, 100);
}

void ccx_detector_start(ccx_detector *d, int64_t start)
{
    __builtin_memset(d, 0, sizeof *d);
    d->next = start;
    d->learnt = start + CCX_FE_LEARN;
    d->search = d->learnt + patience(d);
    d->drought = d->learnt + CCX_FE_DROUGHT;
}

/* The power `age` samples before the newest. */
static int64_t power_at(const ccx_detector *d, uint32_t age)
{
    return d->power[d->place >= age ? d->place - age : d->place + CCX_POWER_KEPT - age];
}

/* Whether the power in the middle of the ring is the largest: the first of equals. */
static bool is_peak(const ccx_detector *d)
{
    const int64_t middle = power_at(d, CCX_FE_REFRACTORY);
    /* From the middle outwards, so that a slope ends the search with its first step. */
    for (uint32_t away = 1; away <= CCX_FE_REFRACTORY; ++away) {
        if (power_at(d, CCX_FE_REFRACTORY + away) >= middle || power_at(d, CCX_FE_REFRACTORY - away) > middle) {
            return false;
        }
    }
    return true;
}

static int32_t steepest(const ccx_history *filtered, int64_t middle)
{
    int32_t most = 0, before = ccx_history_at(filtered, middle - CCX_FE_SLOPE_REACH - 1);
    for (int64_t i = middle - CCX_FE_SLOPE_REACH; i <= middle + CCX_FE_SLOPE_REACH; ++i) {
        const int32_t here = ccx_history_at(filtered, i);
        const int32_t slope = here > before ? here - before : before - here;
        most = slope > most ? slope : most;
        before = here;
    }
    return most;
}

void ccx_detector_push(ccx_detector *d, const ccx_history *filtered, int64_t power)
{
    d->place = d->place == CCX_POWER_KEPT - 1u ? 0u : d->place + 1u;
    d->power[d->place] = power;
    const int64_t index = filtered->end - 1 - CCX_FE_REFRACTORY;
    if (index < d->next) {
        return;
    }
    d->next = index + 1;
    if (is_peak(d)) {
        const uint32_t root = ccx_isqrt((uint64_t)power_at(d, CCX_FE_REFRACTORY));
        const int32_t slope = steepest(filtered, index - CCX_FE_POWER_DELAY);
        d->queue[d->queue_count++] = (ccx_candidate){index, (int32_t)root, slope};
    }
}

static int64_t threshold(const ccx_detector *d)
{
    const int64_t noise = ccx_lower_median(d->noise, d->noise_place.count);
    const int64_t signal = ccx_lower_median(d->signal, d->signal_place.count);
    return ccx_max64(CCX_FE_LEAST_STRENGTH, noise + ccx_floor_div((signal - noise) * CCX_FE_THRESHOLD_PERCENT, 100));
}

static void accept(ccx_detector *d, ccx_candidate candidate, int64_t decided, ccx_detection *detection)
{
    if (d->any) {
        const int64_t interval = candidate.index - d->last.index;
        ccx_recent_push(&d->interval_place, d->intervals, CCX_FE_PEAK_MEMORY,
                        (uint32_t)(interval > CCX_FE_MAX_INTERVAL ? CCX_FE_MAX_INTERVAL : interval));
    }
    d->last = candidate;
    d->any = true;
    ccx_recent_push(&d->signal_place, d->signal, CCX_FE_PEAK_MEMORY, (uint32_t)candidate.strength);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < d->left_count; ++i) {
        if (d->left[i].index > candidate.index) {
            d->left[kept++] = d->left[i];
        }
    }
    d->left_count = kept;
    d->search = candidate.index + patience(d);
    d->drought = candidate.index + CCX_FE_DROUGHT;
    detection->middle = candidate.index - CCX_FE_POWER_DELAY;
    detection->known = ccx_max64(decided, d->learnt) + CCX_FE_REFRACTORY;
}

static void leave(ccx_detector *d, ccx_candidate candidate)
{
    if (d->left_count == CCX_FE_MAX_LEFT) {
        for (uint32_t i = 1; i < CCX_FE_MAX_LEFT; ++i) {
            d->left[i - 1u] = d->left[i];
        }
        --d->left_count;
    }
    d->left[d->left_count++] = candidate;
}

/* Returns whether the candidate is a QRS. */
static bool judge(ccx_detector *d, ccx_candidate candidate, ccx_detection *detection)
{
    const bool t_wave = d->any && candidate.index - d->last.index < CCX_FE_T_WAVE_WITHIN &&
                        100 * (int64_t)candidate.slope < CCX_FE_T_WAVE_PERCENT * (int64_t)d->last.slope;
    if (candidate.strength > threshold(d) && !t_wave) {
        accept(d, candidate, candidate.index, detection);
        return true;
    }
    ccx_recent_push(&d->noise_place, d->noise, CCX_FE_PEAK_MEMORY, (uint32_t)candidate.strength);
    if (!t_wave) {
        leave(d, candidate);
    }
    return false;
}

/* Returns whether the strongest candidate left counts as a QRS after all. */
static bool search_back(ccx_detector *d, ccx_detection *detection)
{
    const int64_t deadline = d->search, oldest = deadline - CCX_FE_DROUGHT;
    const int64_t least =
        ccx_max64(CCX_FE_LEAST_STRENGTH, ccx_floor_div(threshold(d) * CCX_FE_SEARCH_PERCENT, 100));
    const ccx_candidate *best = NULL;
    for (const ccx_candidate *each = d->left; each < d->left + d->left_count; ++each) {
        if (each->strength > least && each->index > oldest && (best == NULL || each->strength > best->strength)) {
            best = each;
        }
    }
    if (best == NULL) {
        d->search = deadline + patience(d);
        return false;
    }
    accept(d, *best, deadline, detection);
    return true;
}

/* Search back, and halve the levels in a drought, as far as their time came before index `before`. Returns true, to be
 * called again, where a QRS was found. */
static bool run_deadlines(ccx_detector *d, int64_t before, ccx_detection *detection)
{
    while (d->search < before || d->drought < before) {
        if (d->search <= d->drought) {
            if (search_back(d, detection)) {
                return true;
            }
        } else {
            for (uint32_t i = 0; i < d->signal_place.count; ++i) {
                d->signal[i] >>= 1;
            }
            d->drought += CCX_FE_RATE_HZ;
        }
    }
    return false;
}

static void learn(ccx_detector *d)
{
    int32_t strongest = 0;
    for (uint32_t i = 0; i < d->queue_count; ++i) {
        if (d->queue[i].index <= d->learnt && d->queue[i].strength > strongest) {
            strongest = d->queue[i].strength;
        }
    }
    ccx_recent_push(&d->signal_place, d->signal, CCX_FE_PEAK_MEMORY, (uint32_t)strongest);
}

bool ccx_detector_next(ccx_detector *d, ccx_detection *detection)
{
    if (d->next <= d->learnt) {
        return false;
    }
    if (d->signal_place.count == 0) {
        learn(d);
    }
    while (d->queue_first < d->queue_count) {
        const ccx_candidate candidate = d->queue[d->queue_first];
        if (run_deadlines(d, candidate.index, detection)) {
            return true;
        }
        ++d->queue_first;
        if (judge(d, candidate, detection)) {
            return true;
        }
    }
    d->queue_first = d->queue_count = 0;
    return run_deadlines(d, d->next, detection);
}
