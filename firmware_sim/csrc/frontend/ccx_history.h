/* The recent past of the filtered signal, addressed by the index in the stream. */
#ifndef CCX_HISTORY_H
#define CCX_HISTORY_H

#include <stdint.h>

#include "ccx_frontend_config.h"

/* A ring: as many samples as anything ever looks back, and the newest. */
typedef struct {
    int32_t values[CCX_FE_LOOK_BACK + 1];
    uint32_t place; /* of the newest */
    int64_t start;  /* index of the first */
    int64_t end;    /* index after the newest; equal to `start` where none came */
} ccx_history;

/* Empty, the next sample being number `start`. */
void ccx_history_start(ccx_history *history, int64_t start);

void ccx_history_push(ccx_history *history, int32_t sample);

/* Sample number `index`, at most CCX_FE_LOOK_BACK before the newest. Before the first it is 0, after the newest the
 * newest. */
int32_t ccx_history_at(const ccx_history *history, int64_t index);

#endif
