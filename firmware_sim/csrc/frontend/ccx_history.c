#include "ccx_history.h"

void ccx_history_start(ccx_history *history, int64_t start)
{
    for (uint32_t i = 0; i <= CCX_FE_LOOK_BACK; ++i) {
        history->values[i] = 0;
    }
    history->place = 0;
    history->start = start;
    history->end = start;
}

void ccx_history_push(ccx_history *history, int32_t sample)
{
    history->place = history->place == CCX_FE_LOOK_BACK ? 0u : history->place + 1u;
    history->values[history->place] = sample;
    ++history->end;
}

int32_t ccx_history_at(const ccx_history *history, int64_t index)
{
    const int64_t newest = history->end - 1;
    /* What lies before the first sample is still zero in the ring. */
    const uint32_t age = index >= newest ? 0u : (uint32_t)(newest - index);
    return history->values[history->place >= age ? history->place - age : history->place + CCX_FE_LOOK_BACK + 1u - age];
}
