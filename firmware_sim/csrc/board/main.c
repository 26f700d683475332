/* The firmware: from ADC counts to decisions, behind a serial port. */
#include "ccx_device.h"

int main(void);

int main(void)
{
    static ccx_decoder decoder;
    ccx_uart_init();
    ccx_timer_init();
    ccx_cycles_init();
    for (;;) {
        ccx_host_message message;
        const int32_t byte = ccx_uart_get();
        if (byte >= 0 && ccx_decoder_push(&decoder, (uint8_t)byte, &message)) {
            ccx_device_hear(&message);
        }
        int16_t counts;
        switch (ccx_adc_get(&counts)) {
        case CCX_ADC_SAMPLE:
            ccx_device_sample(counts);
            break;
        case CCX_ADC_END:
            ccx_device_end();
            break;
        case CCX_ADC_NONE:
            break;
        }
    }
}
