/* The rhythm around a beat, seen from the beats before it only; the twin of rhythm.py. */
#ifndef CCX_RHYTHM_H
#define CCX_RHYTHM_H

#include <stdbool.h>
#include <stdint.h>

#include "ccx_frontend_config.h"
#include "ccx_recent.h"

typedef struct {
    uint32_t intervals[CCX_FE_LONG_MEMORY]; /* samples, 1 to CCX_FE_MAX_INTERVAL */
    ccx_recent place;
    int64_t last; /* fiducial of the beat before, if `any` */
    bool any;
} ccx_rhythm;

/* The stream broke: the next interval is unknown, what is usual is kept. */
void ccx_rhythm_restart(ccx_rhythm *rhythm);

/* Writes the seven features and remembers the interval, which it returns: samples to the beat before, 0 where unknown.
 * Costs the median of all intervals that are kept, and two of the latest. */
int32_t ccx_rhythm_features(ccx_rhythm *rhythm, int64_t fiducial, int8_t features[7]);

#endif
