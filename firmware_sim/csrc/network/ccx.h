/* From ADC counts to a decision on every heart beat: the whole model, for firmware.
 *
 *     static ccx_state model;                        // all the memory there is; see model.h for its parts
 *     ccx_event event;
 *     ccx_init(&model, 200000);                      // 200 counts per millivolt
 *     for (;;) {
 *         size_t count = read_adc(counts);           // 250 samples a second
 *         for (const int16_t *at = counts; count > 0;) {
 *             const size_t taken = ccx_push_samples(&model, at, count, NULL);
 *             at += taken;
 *             count -= taken;
 *             while (ccx_poll_event(&model, &event)) {
 *                 // event.sample, event.label, event.scores
 *             }
 *         }
 *     }
 *
 * All calls from one thread. Nothing is allocated; one state serves one stream. Pushing a sample costs the front end
 * alone; ccx_poll_event runs the network when it returns true.
 */
#ifndef CCX_H
#define CCX_H

#include "model.h"

#include "ccx_frontend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One beat, decided. */
typedef struct {
    int64_t sample; /* index of the R peak in the stream, 250 a second */
    int64_t ready;  /* index of the sample with which the beat was complete */
    int32_t rr_ms;  /* interval to the beat before in milliseconds; 0 where unknown */
    uint32_t label; /* the class with the highest score, the first of equals: 0..CCX_CLASSES - 1, see model.h */
    int32_t scores[CCX_CLASSES];  /* membranes of the readout after the last step */
    uint32_t spikes[CCX_SPIKING]; /* spikes of each spiking population over all steps */
} ccx_event;

typedef struct {
    ccx_frontend frontend;
    ccx_network network;
} ccx_state;

/* Begin a stream at sample 0 with an unknown patient.
 *
 * gain_milli_counts_per_mv: thousandths of an ADC count per millivolt, from 1000 to 1048576000.
 * Returns false, and leaves a state that takes nothing, where it is none of these. */
bool ccx_init(ccx_state *state, uint32_t gain_milli_counts_per_mv);

/* Take the next samples, up to the one that completes a beat or to the last.
 *
 * filtered: where the filtered signal of the samples taken goes, 4096 per millivolt; NULL where nobody asks.
 * Returns how many were taken: 0 while an event is to be polled or a gap worked off, and after the end. */
size_t ccx_push_samples(ccx_state *state, const int16_t *counts, size_t count, int32_t *filtered);

/* The stream lost `lost` samples, or ended; poll until there is no event left. Both return false, and do nothing, where
 * ccx_push_samples would take nothing. */
bool ccx_gap(ccx_state *state, uint32_t lost);
bool ccx_flush(ccx_state *state);

/* The next beat, if one is complete: runs the network on it, CCX_STEPS steps from rest. */
bool ccx_poll_event(ccx_state *state, ccx_event *event);

/* What ccx_poll_event does with a beat, for those who have their own front end: only window, rhythm, sample, ready and
 * rr_ms of `beat` are read. */
void ccx_decide(ccx_network *network, const ccx_beat *beat, ccx_event *event);

#ifdef __cplusplus
}
#endif

#endif
