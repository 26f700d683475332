/* UART0 of an Arm MPS2 board (CMSDK APB UART, Arm DDI 0479, 4.3), which QEMU's mps2-an386 has too. */
#include "ccx_board.h"

#define UART0 0x40004000u
#define DATA (*(volatile uint32_t *)(UART0 + 0x00u))
#define STATE (*(volatile uint32_t *)(UART0 + 0x04u))
#define STATE_TX_FULL 1u
#define STATE_RX_FULL 2u
#define CTRL (*(volatile uint32_t *)(UART0 + 0x08u))
#define CTRL_TX_AND_RX 3u
#define BAUDDIV (*(volatile uint32_t *)(UART0 + 0x10u))

/* 25 MHz / 217 = 115207 baud; the divider may not be below 16. */
#define DIVIDER 217u

void ccx_uart_init(void)
{
    BAUDDIV = DIVIDER;
    CTRL = CTRL_TX_AND_RX;
}

int32_t ccx_uart_get(void) { return (STATE & STATE_RX_FULL) != 0u ? (int32_t)(DATA & 0xFFu) : -1; }

void ccx_uart_put(uint8_t byte)
{
    while ((STATE & STATE_TX_FULL) != 0u) {
    }
    DATA = byte;
}
