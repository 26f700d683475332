/* The emulated board's analog front end: electrodes, amplifier and a 16-bit converter behind one page of registers.
 * firmware_sim/board/adc.py is its other side; a real board has its own converter here. */
#include "ccx_board.h"

#define ADC 0x40024000u
#define REGISTER(offset) (*(volatile uint32_t *)(ADC + (offset)))
#define CTRL REGISTER(0x00u)   /* 1: start from sample 0; 0: stop */
#define STATUS REGISTER(0x04u) /* a sample waits; the recording is over */
#define STATUS_READY 1u
#define STATUS_END 2u
#define DATA REGISTER(0x08u) /* the oldest sample that waits, sign-extended; reading takes it */
#define RATE_HZ REGISTER(0x10u)
#define BITS REGISTER(0x14u)
#define GAIN REGISTER(0x18u) /* thousandths of a count per millivolt */
#define LEAD 0x40u           /* 16 bytes, ended by a zero */
#define NAME 0x80u           /* 64 bytes, ended by a zero */

static void text(uint32_t offset, char *to, uint32_t size)
{
    for (uint32_t i = 0; i < size; i += 4u) {
        const uint32_t word = REGISTER(offset + i);
        for (uint32_t k = 0; k < 4u; ++k) {
            to[i + k] = (char)(word >> (8u * k) & 0xFFu);
        }
    }
    to[size - 1u] = '\0';
}

ccx_signal ccx_adc_signal(void)
{
    static char lead[16], name[64];
    text(LEAD, lead, sizeof lead);
    text(NAME, name, sizeof name);
    return (ccx_signal){(uint16_t)RATE_HZ, (uint8_t)BITS, GAIN, lead, name};
}

void ccx_adc_start(void) { CTRL = 1u; }

void ccx_adc_stop(void) { CTRL = 0u; }

ccx_adc_status ccx_adc_get(int16_t *counts)
{
    const uint32_t status = STATUS;
    if ((status & STATUS_READY) != 0u) {
        *counts = (int16_t)(DATA & 0xFFFFu);
        return CCX_ADC_SAMPLE;
    }
    return (status & STATUS_END) != 0u ? CCX_ADC_END : CCX_ADC_NONE;
}
