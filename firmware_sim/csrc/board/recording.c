/* An ADC that plays a recording from flash, as fast as it is asked: for a board, or an emulator, without electrodes.
 * The program that links this file defines the recording. */
#include "ccx_recording.h"

static uint32_t next;
static bool running;

ccx_signal ccx_adc_signal(void) { return ccx_recorded_signal; }

void ccx_adc_start(void)
{
    next = 0;
    running = true;
}

void ccx_adc_stop(void) { running = false; }

ccx_adc_status ccx_adc_get(int16_t *counts)
{
    if (!running) {
        return CCX_ADC_NONE;
    }
    if (next == ccx_recorded_count) {
        return CCX_ADC_END;
    }
    *counts = ccx_recorded[next++];
    return CCX_ADC_SAMPLE;
}
