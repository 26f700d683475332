/* ADC counts to the fixed unit, and the band-pass: second-order sections in fixed point. */
#ifndef CCX_FILTERS_H
#define CCX_FILTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "ccx_frontend_config.h"

/* Counts to 4096 per millivolt: (counts * multiplier + half) >> shift; the multiplier is below 2^15, so a product is
 * below 2^30. */
typedef struct {
    int32_t multiplier;
    int32_t shift; /* 2 to 22 */
} ccx_gain;

/* Direct form I with fraction saving, one section: |x| and |y| below 2^24, rest below 2^29, sums below 2^58. */
typedef struct {
    int32_t x1, x2, y1, y2;
    int32_t rest;
} ccx_section;

typedef struct {
    ccx_section sections[CCX_FE_SECTIONS];
    bool settled; /* the first sample came: it is taken as the level ever before */
} ccx_cascade;

/* From thousandths of a count per millivolt. Returns false where that is not between 1000 and 1048576000. */
bool ccx_gain_init(ccx_gain *gain, uint32_t thousandths);

/* One count in the fixed unit, saturated to +-(2^21 - 1), which is 512 mV. */
int32_t ccx_gain_scale(const ccx_gain *gain, int16_t count);

/* The next filtered sample: five multiplications of 32 by 32 bits, summed in 64, per section. */
int32_t ccx_cascade_push(ccx_cascade *cascade, int32_t sample);

#endif
