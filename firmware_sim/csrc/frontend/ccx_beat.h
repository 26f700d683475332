/* What the front end hands to the network: one beat, integers only. */
#ifndef CCX_BEAT_H
#define CCX_BEAT_H

#include <stdint.h>

#include "ccx_frontend_config.h"

typedef struct {
    int64_t sample; /* index of the R peak in the input, from the stream's first sample */
    int64_t ready;  /* index of the sample with which the beat was complete; ready - sample is the decision's delay */
    int32_t rr_ms;  /* interval to the beat before in milliseconds; 0 for the first, and the first after a long gap */
    int8_t window[2][CCX_FE_WINDOW];    /* the signal around the peak, and that less the commonest shape; +-127 */
    int8_t rhythm[CCX_FE_FEATURES];     /* of rhythm and shape, in the order of cortexcore's FEATURES; +-127 */
} ccx_beat;

#endif
