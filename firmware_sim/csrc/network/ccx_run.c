#include "ccx_run.h"

void ccx_run_sizes(ccx_sizes *sizes)
{
    sizes->network = (uint32_t)sizeof(ccx_network);
    sizes->input = (uint32_t)sizeof(ccx_input);
    sizes->output = (uint32_t)sizeof(ccx_output);
}

void ccx_run(ccx_network *net, const ccx_input *in, ccx_output *out, ccx_trace *trace, uint32_t steps, uint32_t batch)
{
    for (uint32_t b = 0; b < batch; ++b) {
        const ccx_input *before = NULL;
        ccx_network_reset(net);
        for (uint32_t t = 0; t < steps; ++t) {
            const size_t at = (size_t)t * batch + b;
            const ccx_input *const now = in + at;
            const bool held = before != NULL && __builtin_memcmp(now, before, sizeof *now) == 0;
            ccx_network_step(net, held ? NULL : now);
            ccx_network_read(net, out + at);
#ifdef CCX_TRACE
            ccx_network_trace(net, trace + at);
#endif
            before = now;
        }
    }
    (void)trace;
}

void ccx_run_step(ccx_network *nets, const ccx_input *in, ccx_output *out, uint32_t batch)
{
    for (uint32_t b = 0; b < batch; ++b) {
        ccx_network_step(nets + b, in + b);
        ccx_network_read(nets + b, out + b);
    }
}
