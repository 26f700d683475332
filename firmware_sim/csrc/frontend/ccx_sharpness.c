#include "ccx_sharpness.h"

/* The filtered sample `age` before the newest. */
static int32_t past(const ccx_bend *bend, uint32_t age)
{
    return bend->past[(bend->place - age) % CCX_FE_BEND_RING];
}

/* (1 - z^-lag)^2 of the signal `age` before the newest. */
static int32_t difference(const ccx_bend *bend, uint32_t age)
{
    return past(bend, age) - 2 * past(bend, age + CCX_FE_QRS_LAG) + past(bend, age + 2u * CCX_FE_QRS_LAG);
}

int32_t ccx_bend_push(ccx_bend *bend, int32_t filtered)
{
    bend->place = (bend->place + 1u) % CCX_FE_BEND_RING;
    bend->past[bend->place] = filtered;
    bend->slope += difference(bend, 0) - 2 * difference(bend, CCX_FE_QRS_SMOOTH) +
                   difference(bend, 2u * CCX_FE_QRS_SMOOTH);
    bend->sum += bend->slope;
    return bend->sum >> CCX_FE_BEND_SHIFT;
}

static int64_t square(int32_t bend)
{
    return ((int64_t)bend * bend) >> CCX_FE_POWER_SHIFT;
}

int64_t ccx_sharpness_push(ccx_sharpness *sharpness, int32_t filtered)
{
    const int32_t bend = ccx_bend_push(&sharpness->bend, filtered);
    int32_t *const place = &sharpness->bends[sharpness->oldest];
    sharpness->power += square(bend) - square(*place);
    *place = bend;
    sharpness->oldest = sharpness->oldest == CCX_FE_QRS_INTEGRATE - 1u ? 0u : sharpness->oldest + 1u;
    return sharpness->power;
}
