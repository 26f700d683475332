/* QRS detection: peaks of power against adaptive thresholds, T-wave test, search-back; the twin of detector.py. */
#ifndef CCX_DETECTOR_H
#define CCX_DETECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "ccx_frontend_config.h"
#include "ccx_history.h"
#include "ccx_recent.h"

/* Both sides of a candidate and itself. */
#define CCX_POWER_KEPT (2u * CCX_FE_REFRACTORY + 1u)

/* A local maximum of power: its index, the root of it (below 2^26), the steepest slope beneath it (below 2^25). */
typedef struct {
    int64_t index;
    int32_t strength;
    int32_t slope;
} ccx_candidate;

/* The middle of a QRS in the filtered signal, to some samples, and the index of the sample that decided it. */
typedef struct {
    int64_t middle;
    int64_t known;
} ccx_detection;

typedef struct {
    int64_t power[CCX_POWER_KEPT]; /* a ring */
    uint32_t place;                /* of the newest */
    int64_t next;                  /* the next index to look for a candidate at */
    int64_t learnt;                /* index with which the first level of signal is known */
    int64_t search;                /* when to search back */
    int64_t drought;               /* when to halve the levels */
    /* Candidates not judged yet: those of the learning phase, later at most one. No two are closer than the refractory
     * time, since of two only one could be the largest about itself. */
    ccx_candidate queue[CCX_FE_MAX_QUEUE];
    uint32_t queue_first, queue_count;
    ccx_candidate left[CCX_FE_MAX_LEFT]; /* judged as noise since the last QRS, oldest first */
    uint32_t left_count;
    ccx_candidate last; /* the last QRS, if `any` */
    bool any;
    ccx_recent signal_place, noise_place, interval_place;
    uint32_t signal[CCX_FE_PEAK_MEMORY], noise[CCX_FE_PEAK_MEMORY], intervals[CCX_FE_PEAK_MEMORY];
} ccx_detector;

/* Begin anew, the next sample being number `start`. */
void ccx_detector_start(ccx_detector *detector, int64_t start);

/* Take the power at the newest filtered sample. Constant cost but for a local maximum, which is compared with up to
 * CCX_FE_REFRACTORY samples on each side until one is larger. */
void ccx_detector_push(ccx_detector *detector, const ccx_history *filtered, int64_t power);

/* The next QRS that the samples so far decided, in order of time, if there is one. Call it until there is none before
 * the next push. Two comparisons where nothing is due. */
bool ccx_detector_next(ccx_detector *detector, ccx_detection *detection);

#endif
