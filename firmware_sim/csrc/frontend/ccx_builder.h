/* A fiducial in the filtered signal to the network's input: window, shape and rhythm; the twin of builder.py. */
#ifndef CCX_BUILDER_H
#define CCX_BUILDER_H

#include <stdint.h>

#include "ccx_beat.h"
#include "ccx_history.h"
#include "ccx_recent.h"
#include "ccx_rhythm.h"
#include "ccx_shapes.h"

/* What is known of the patient. All zeros: nothing. */
typedef struct {
    uint32_t heights[CCX_FE_MEMORY], widths[CCX_FE_MEMORY];
    ccx_recent height_place, width_place;
    ccx_shape_book shapes;
    ccx_rhythm rhythm;
} ccx_builder;

/* The stream broke: the next RR interval is unknown; what is usual for the patient is kept. */
void ccx_builder_restart(ccx_builder *builder);

/* Build the beat whose QRS is at index `fiducial` of the filtered signal; `sample` and `ready` are passed on. Costs one
 * division per sample of the window, the medians, and the correlations with each shape. */
void ccx_builder_build(ccx_builder *builder, const ccx_history *filtered, int64_t fiducial, int64_t sample,
                       int64_t ready, ccx_beat *beat);

#endif
