/* From reset to main(): the vector table, and what C expects of memory before its first line runs. */
#include <stdint.h>

#include "ccx_board.h"

extern uint32_t ccx_stack_top[];
extern const uint32_t ccx_data_load[];
extern uint32_t ccx_data_start[], ccx_data_end[];
extern uint32_t ccx_bss_start[], ccx_bss_end[];

void Reset_Handler(void);
void Fault_Handler(void);
int main(void);

/* SCB->CPACR: full access to coprocessors 10 and 11, which are the floating-point unit (Armv7-M, B3.2.20). */
#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define CPACR_FPU (0xFu << 20)

/* Armv7-M, B1.5.2: the initial stack pointer, then the handlers of exceptions 1 to 15. No interrupt is used. */
__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    ccx_stack_top,              /* initial SP */
    (const void *)Reset_Handler,
    (const void *)Fault_Handler, /* NMI */
    (const void *)Fault_Handler, /* HardFault */
    (const void *)Fault_Handler, /* MemManage */
    (const void *)Fault_Handler, /* BusFault */
    (const void *)Fault_Handler, /* UsageFault */
};

void Reset_Handler(void)
{
    CPACR |= CPACR_FPU;
    __asm volatile("dsb\n\tisb" ::: "memory");
    const uint32_t *from = ccx_data_load;
    for (uint32_t *to = ccx_data_start; to < ccx_data_end; ++to) {
        *to = *from++;
    }
    for (uint32_t *to = ccx_bss_start; to < ccx_bss_end; ++to) {
        *to = 0;
    }
    (void)main();
    for (;;) {
    }
}

/* A fault stops the device where a debugger finds it. */
void Fault_Handler(void)
{
    for (;;) {
    }
}
