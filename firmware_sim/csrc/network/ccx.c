#include "ccx.h"

CCX_REQUIRE(window, sizeof(((ccx_input *)0)->window) == sizeof(((ccx_beat *)0)->window));
CCX_REQUIRE(rhythm, sizeof(((ccx_input *)0)->rhythm) == sizeof(((ccx_beat *)0)->rhythm));
CCX_REQUIRE(scores, sizeof(((ccx_output *)0)->CCX_SCORES) == sizeof(((ccx_event *)0)->scores));

bool ccx_init(ccx_state *state, uint32_t gain_milli_counts_per_mv)
{
    ccx_network_reset(&state->network);
    return ccx_frontend_init(&state->frontend, gain_milli_counts_per_mv);
}

size_t ccx_push_samples(ccx_state *state, const int16_t *counts, size_t count, int32_t *filtered)
{
    return ccx_frontend_push(&state->frontend, counts, count, filtered);
}

bool ccx_gap(ccx_state *state, uint32_t lost)
{
    return ccx_frontend_gap(&state->frontend, lost);
}

bool ccx_flush(ccx_state *state)
{
    return ccx_frontend_flush(&state->frontend);
}

bool ccx_poll_event(ccx_state *state, ccx_event *event)
{
    ccx_beat beat;
    if (!ccx_frontend_poll(&state->frontend, &beat)) {
        return false;
    }
    ccx_decide(&state->network, &beat, event);
    return true;
}

void ccx_decide(ccx_network *network, const ccx_beat *beat, ccx_event *event)
{
    ccx_input input;
    ccx_output output;
    event->sample = beat->sample;
    event->ready = beat->ready;
    event->rr_ms = beat->rr_ms;
    for (uint32_t i = 0; i < CCX_SPIKING; ++i) {
        event->spikes[i] = 0;
    }
    __builtin_memcpy(input.window, beat->window, sizeof input.window);
    __builtin_memcpy(input.rhythm, beat->rhythm, sizeof input.rhythm);
    ccx_network_reset(network);
    for (uint32_t t = 0; t < CCX_STEPS; ++t) {
        ccx_network_step(network, t == 0 ? &input : NULL); /* a beat's inputs are the same at every step */
        ccx_network_count(network, event->spikes);
    }
    ccx_network_read(network, &output);
    event->label = 0;
    for (uint32_t i = 0; i < CCX_CLASSES; ++i) {
        event->scores[i] = output.CCX_SCORES[i];
        if (event->scores[i] > event->scores[event->label]) {
            event->label = i;
        }
    }
}
