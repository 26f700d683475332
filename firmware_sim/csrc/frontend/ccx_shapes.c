#include "ccx_shapes.h"

#include <stddef.h>

#include "ccx_fixed.h"

#define QRS_START (CCX_FE_WINDOW_BEFORE - CCX_FE_SHAPE_REACH)
#define QRS_LENGTH (2u * CCX_FE_SHAPE_REACH + 1u)
#define P_START (CCX_FE_WINDOW_BEFORE - CCX_FE_P_START)
#define P_LENGTH (CCX_FE_P_START - CCX_FE_P_STOP)
#define ONE (1 << CCX_FE_FRACTION_BITS)

/* The average in window steps, halves up. */
static void rounded(const int16_t *average, int8_t *steps, uint32_t length)
{
    for (uint32_t i = 0; i < length; ++i) {
        steps[i] = (int8_t)((average[i] + ONE / 2) >> CCX_FE_FRACTION_BITS);
    }
}

static void begin(ccx_shape *shape, const int8_t *window)
{
    for (uint32_t i = 0; i < CCX_FE_WINDOW; ++i) {
        shape->average[i] = (int16_t)(window[i] * ONE);
    }
    shape->beats = 1;
}

/* average += (window - average) / 2^shift, rounded down; shift grows with the beats seen. */
static void follow(ccx_shape *shape, const int8_t *window)
{
    uint32_t shift = 0;
    while (shift < CCX_FE_TEMPLATE_SHIFT && shape->beats >> shift != 0) {
        ++shift;
    }
    for (uint32_t i = 0; i < CCX_FE_WINDOW; ++i) {
        const int32_t old = shape->average[i];
        shape->average[i] = (int16_t)(old + ((window[i] * ONE - old) >> shift));
    }
    ++shape->beats;
}

/* The first of the shapes that stand for the most beats. */
static const ccx_shape *commonest(const ccx_shape_book *book)
{
    const ccx_shape *most = book->shapes;
    for (uint32_t i = 1; i < book->count; ++i) {
        most = book->shapes[i].beats > most->beats ? &book->shapes[i] : most;
    }
    return most;
}

/* Where a shape that is new goes: behind the others, or in place of the first of the rarest. */
static ccx_shape *free_place(ccx_shape_book *book)
{
    if (book->count < CCX_FE_TEMPLATES) {
        return &book->shapes[book->count++];
    }
    ccx_shape *least = book->shapes;
    for (uint32_t i = 1; i < book->count; ++i) {
        least = book->shapes[i].beats < least->beats ? &book->shapes[i] : least;
    }
    return least;
}

/* The shape that the window joined or started. */
static const ccx_shape *join(ccx_shape_book *book, const int8_t *window)
{
    ccx_shape *best = NULL;
    int32_t score = -128;
    for (uint32_t i = 0; i < book->count; ++i) {
        int8_t qrs[QRS_LENGTH];
        rounded(book->shapes[i].average + QRS_START, qrs, QRS_LENGTH);
        const int32_t match = ccx_correlation(window + QRS_START, qrs, QRS_LENGTH);
        if (match > score) {
            best = &book->shapes[i];
            score = match;
        }
    }
    if (best != NULL && score >= 127 * CCX_FE_MATCH_PERCENT / 100) {
        follow(best, window);
    } else {
        best = free_place(book);
        begin(best, window);
    }
    if (best->beats >= CCX_FE_COUNT_LIMIT) {
        for (uint32_t i = 0; i < book->count; ++i) {
            ccx_shape *const each = &book->shapes[i];
            each->beats = each->beats > 1 ? (uint16_t)(each->beats >> 1) : 1;
        }
    }
    return best;
}

ccx_likeness ccx_shapes_compare(ccx_shape_book *book, const int8_t *window, int8_t *difference)
{
    if (book->count == 0) {
        begin(&book->shapes[book->count++], window);
        for (uint32_t i = 0; i < CCX_FE_WINDOW; ++i) {
            difference[i] = 0;
        }
        return (ccx_likeness){127, 127, 127};
    }
    int8_t common[CCX_FE_WINDOW];
    rounded(commonest(book)->average, common, CCX_FE_WINDOW);
    for (uint32_t i = 0; i < CCX_FE_WINDOW; ++i) {
        difference[i] = ccx_clip8(window[i] - common[i]);
    }
    const int8_t qrs = ccx_correlation(window + QRS_START, common + QRS_START, QRS_LENGTH);
    const int8_t p_wave = ccx_correlation(window + P_START, common + P_START, P_LENGTH);
    const int32_t beats = join(book, window)->beats;
    int32_t all = 0;
    for (uint32_t i = 0; i < book->count; ++i) {
        all += book->shapes[i].beats;
    }
    return (ccx_likeness){qrs, p_wave, (int8_t)(127 * beats / all)};
}
