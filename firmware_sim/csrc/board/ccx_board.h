/* What the firmware asks of a board: bytes in and out, samples, time. One .c file each; a port to another board
 * replaces these files and board.ld, and nothing else.
 *
 * Nothing here uses an interrupt: main() asks in turn. A board whose main() works longer than its ADC or its UART can
 * hold what comes (one sample lasts 4 ms at 250 Hz, one byte 87 us at 115200 baud) fills a buffer of its own by
 * interrupt or DMA behind these functions. */
#ifndef CCX_BOARD_H
#define CCX_BOARD_H

#include <stdbool.h>
#include <stdint.h>

/* Prepares the UART: on, no interrupts. */
void ccx_uart_init(void);
/* The oldest byte that arrived and was not taken, or -1. Never waits. */
int32_t ccx_uart_get(void);
/* Sends one byte; waits until the UART takes it. */
void ccx_uart_put(uint8_t byte);

/* What ccx_adc_get found. */
typedef enum {
    CCX_ADC_NONE,   /* no new sample yet */
    CCX_ADC_SAMPLE, /* one, in *counts */
    CCX_ADC_END     /* there will be none: the recording behind this ADC is over */
} ccx_adc_status;

/* What the electrodes and the amplifier are; the host hears it in Info. */
typedef struct {
    uint16_t rate_hz;
    uint8_t adc_bits;
    uint32_t gain_milli_counts_per_mv; /* thousandths of a count per millivolt */
    const char *lead;                  /* at most 15 bytes */
    const char *name;                  /* at most 63 bytes */
} ccx_signal;

/* What is connected now; the texts stay until the next call. */
ccx_signal ccx_adc_signal(void);
/* Starts taking samples anew, from sample 0. */
void ccx_adc_start(void);
/* Stops taking samples. */
void ccx_adc_stop(void);
/* The next sample, if it has been taken: signed counts. Never waits. */
ccx_adc_status ccx_adc_get(int16_t *counts);

/* Starts the timer. */
void ccx_timer_init(void);
/* Ticks since then, modulo 2^32, CCX_TIMER_HZ a second. */
uint32_t ccx_timer(void);
#define CCX_TIMER_HZ 25000000u

/* Starts the core's cycle counter (DWT_CYCCNT). */
void ccx_cycles_init(void);
/* Its reading, modulo 2^32; always 0 on a core or an emulator without one. */
uint32_t ccx_cycles(void);

#endif
