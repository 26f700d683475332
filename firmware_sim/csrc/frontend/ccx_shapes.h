/* The shapes of beat a patient has, learnt while listening; the commonest is what the others are compared with. */
#ifndef CCX_SHAPES_H
#define CCX_SHAPES_H

#include <stdint.h>

#include "ccx_frontend_config.h"

/* A running average of windows, in 1/256 of a window step, within +-127 * 256, and how many beats it stands for. */
typedef struct {
    int16_t average[CCX_FE_WINDOW];
    uint16_t beats;
} ccx_shape;

typedef struct {
    ccx_shape shapes[CCX_FE_TEMPLATES];
    uint32_t count;
} ccx_shape_book;

/* How a window compares with the shapes so far: correlation with the commonest over the QRS and over the P wave (127 =
 * equal), and the share of the patient's recent beats that look like it (127 = all). */
typedef struct {
    int8_t qrs_match;
    int8_t p_match;
    int8_t share;
} ccx_likeness;

/* Compare a window, write it less the commonest shape to `difference`, and let it join the shapes. */
ccx_likeness ccx_shapes_compare(ccx_shape_book *book, const int8_t *window, int8_t *difference);

#endif
