/* TIMER0 of an Arm MPS2 board (CMSDK APB timer, Arm DDI 0479, 4.2): counts down from 2^32 - 1 at 25 MHz, again and again. */
#include "ccx_board.h"

#define TIMER0 0x40000000u
#define CTRL (*(volatile uint32_t *)(TIMER0 + 0x00u))
#define CTRL_ENABLE 1u
#define VALUE (*(volatile uint32_t *)(TIMER0 + 0x04u))
#define RELOAD (*(volatile uint32_t *)(TIMER0 + 0x08u))

void ccx_timer_init(void)
{
    RELOAD = UINT32_MAX;
    VALUE = UINT32_MAX;
    CTRL = CTRL_ENABLE;
}

uint32_t ccx_timer(void) { return UINT32_MAX - VALUE; }
