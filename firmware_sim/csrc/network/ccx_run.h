/* Many inferences in one call: what a host, or a test on a board, drives the network with. */
#ifndef CCX_RUN_H
#define CCX_RUN_H

#include "model.h"

#ifndef CCX_TRACE
typedef void ccx_trace;
#endif

/* Bytes of a state and of the records, so that a caller can see that it means the same ones. */
typedef struct {
    uint32_t network, input, output;
} ccx_sizes;
void ccx_run_sizes(ccx_sizes *sizes);

/* `batch` inferences of `steps` steps each, every one from rest; all arrays [steps][batch]. Inputs that are equal to
 * those of the step before are not computed anew.
 *
 * net: working memory. trace: compiled with CCX_TRACE, every neuron; else NULL. */
void ccx_run(ccx_network *net, const ccx_input *in, ccx_output *out, ccx_trace *trace, uint32_t steps, uint32_t batch);

/* One step of `batch` networks, each from where it stands; all arrays [batch]. */
void ccx_run_step(ccx_network *nets, const ccx_input *in, ccx_output *out, uint32_t batch);

#endif
