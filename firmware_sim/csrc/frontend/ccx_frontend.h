/* The front end: ADC counts in, heart beats ready for the network out. Integer, causal, and equal bit for bit to
 * cortexcore/runtime/frontend, whose docstrings say what each part does and why; its constants are in
 * ccx_frontend_config.h.
 *
 * Use, with all calls from one thread:
 *
 *     ccx_frontend_init(&frontend, gain);
 *     while (count > 0) {
 *         const size_t taken = ccx_frontend_push(&frontend, counts, count, NULL);
 *         counts += taken;
 *         count -= taken;
 *         while (ccx_frontend_poll(&frontend, &beat)) {
 *             // beat.window and beat.rhythm are the network's inputs, the same at every step
 *         }
 *     }
 *     ccx_frontend_flush(&frontend);               // at the end of the stream; poll until it returns false
 *
 * A beat is built when it is polled, so none is queued and none is lost: while one waits, or while a gap or an end is
 * being worked off, push and gap take nothing. The state is all the memory there is; it needs no other.
 *
 * Costs, counted with the shipped configuration on an emulated Cortex-M4 (clang 22 -O2) over the first four minutes of
 * MIT-BIH record 208: some 500 instructions a sample, 13,000 where a beat is placed, and at most 34,000 to build one.
 * The state takes 9 KB.
 */
#ifndef CCX_FRONTEND_H
#define CCX_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ccx_beat.h"
#include "ccx_builder.h"
#include "ccx_detector.h"
#include "ccx_filters.h"
#include "ccx_frontend_config.h"
#include "ccx_history.h"
#include "ccx_sharpness.h"

/* What the front end is doing. */
typedef enum {
    CCX_FRONTEND_OPEN,     /* takes samples */
    CCX_FRONTEND_HOLDING,  /* bridges a short gap with the last count */
    CCX_FRONTEND_BREAKING, /* works off what was before a long gap, then opens anew */
    CCX_FRONTEND_ENDING,   /* works off the end of the stream */
    CCX_FRONTEND_ENDED     /* the stream is over; ccx_frontend_init begins another */
} ccx_frontend_phase;

/* A beat known of: where about it is in the filtered signal, and since which sample. */
typedef struct {
    int64_t middle;
    int64_t known;
    int64_t fiducial; /* where the signal bends most near it, once `placed` */
    bool placed;
} ccx_waiting;

/* The whole state; its fields are nobody else's business. Indices are 64 bits wide: at 250 Hz they never end. */
typedef struct {
    ccx_gain gain;
    ccx_cascade cascade;
    ccx_sharpness sharpness;
    ccx_history filtered;
    ccx_detector detector;
    ccx_builder builder;
    ccx_waiting waiting[CCX_FE_MAX_WAITING]; /* oldest first */
    uint32_t waiting_count;
    bool beat_ready; /* the oldest is complete */
    ccx_frontend_phase phase;
    int64_t end;    /* samples of the stream so far, lost ones included */
    int64_t resume; /* where the stream goes on after a long gap */
    uint32_t hold;  /* samples still to be held */
    int16_t last_count;
} ccx_frontend;

/* Begin a stream at sample 0 with an unknown patient.
 *
 * gain: thousandths of an ADC count per millivolt, from 1000 to 1048576000; 200000 is 200 counts per millivolt.
 * Returns false, and leaves a front end that takes nothing, where the gain is none of these. */
bool ccx_frontend_init(ccx_frontend *frontend, uint32_t gain);

/* Take the next samples, at 250 Hz, up to the one that completes a beat or to the last.
 *
 * filtered: where the filtered signal of the samples taken goes, 4096 per millivolt; NULL where nobody asks.
 * Returns how many were taken: 0 while a beat is to be polled or a gap worked off, and after the end. */
size_t ccx_frontend_push(ccx_frontend *frontend, const int16_t *counts, size_t count, int32_t *filtered);

/* The stream lost `lost` samples; indices go on as if they had come. Poll until there is no beat left, then push on.
 *
 * Up to CCX_FE_HOLD_LIMIT samples are bridged by the last count; after more, filter and detector start anew.
 * Returns false, and does nothing, where push would take nothing. */
bool ccx_frontend_gap(ccx_frontend *frontend, uint32_t lost);

/* The stream ended: poll the beats that still waited for their window; the last value is held for it.
 * Returns false, and does nothing, where push would take nothing. */
bool ccx_frontend_flush(ccx_frontend *frontend);

/* The next beat, if one is complete; it is built now. After a gap or at the end it also holds the last value for as
 * many samples as that needs, up to CCX_FE_HOLD of them, each at the cost of one pushed. */
bool ccx_frontend_poll(ccx_frontend *frontend, ccx_beat *beat);

/* Bytes of the state, for callers from other languages; it lies on 8 bytes. */
size_t ccx_frontend_size(void);

#endif
