/* A program for a board that does nothing by itself: a debugger, or an emulator, fills `ccx_harness_input`, calls a
 * function, and reads what came out. It is how a network is tested on the core it is meant for. */
#include "model.h"

/* What nothing calls is kept all the same. */
#define CCX_KEPT __attribute__((used, retain))

CCX_KEPT ccx_network ccx_harness_network;
CCX_KEPT ccx_input ccx_harness_input;
CCX_KEPT ccx_output ccx_harness_output;
#ifdef CCX_TRACE
CCX_KEPT ccx_trace ccx_harness_trace;
#endif

void ccx_harness_reset(void);
void ccx_harness_step(uint32_t held);
int main(void);

/* Back to rest. */
CCX_KEPT void ccx_harness_reset(void)
{
    ccx_network_reset(&ccx_harness_network);
}

/* One step. held: the inputs are those of the step before. */
CCX_KEPT void ccx_harness_step(uint32_t held)
{
    ccx_network_step(&ccx_harness_network, held != 0u ? NULL : &ccx_harness_input);
    ccx_network_read(&ccx_harness_network, &ccx_harness_output);
#ifdef CCX_TRACE
    ccx_network_trace(&ccx_harness_network, &ccx_harness_trace);
#endif
}

int main(void)
{
    for (;;) {
    }
}
