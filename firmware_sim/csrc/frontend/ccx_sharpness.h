/* How sharply the filtered signal bends, and how much of that there is: what tells a QRS from P and T waves. */
#ifndef CCX_SHARPNESS_H
#define CCX_SHARPNESS_H

#include <stdint.h>

#include "ccx_frontend_config.h"

/* bend = (box * box * (1 - z^-lag)^2) filtered >> 4, the boxes as running sums: (1 - z^-smooth)^2 / (1 - z^-1)^2.
 * |filtered| < 2^24, so the step is below 2^28, slope and sum are below 2^31, and bend is below 2^27. */
typedef struct {
    int32_t past[CCX_FE_BEND_RING]; /* filtered samples; a power of two of them, so that a place is a mask away */
    uint32_t place;                 /* of the newest, modulo the ring */
    int32_t slope;
    int32_t sum;
} ccx_bend;

/* power: the sum of bend^2 >> 8 over the last samples, below 2^52. */
typedef struct {
    ccx_bend bend;
    int32_t bends[CCX_FE_QRS_INTEGRATE]; /* a ring */
    uint32_t oldest;
    int64_t power;
} ccx_sharpness;

/* Both start as zeros: a signal that was 0 before. */

/* The bend at the newest sample; late by CCX_FE_BEND_DELAY. Nine reads and adds. */
int32_t ccx_bend_push(ccx_bend *bend, int32_t filtered);

/* The power at the newest sample. Two squares of 32 bits on top. */
int64_t ccx_sharpness_push(ccx_sharpness *sharpness, int32_t filtered);

#endif
