/* One step of one neuron: leak, integrate, fire, reset, bit for bit as cortexcore/export/integer.py has it.
 *
 *     u <- wrap(tz(u * (4095 - du) / 4096) + drive)           into (-2^23, 2^23]
 *     v <- clip(tz(v * (4096 - dv) / 4096) + u + bias)        to +-(2^23 - 1)
 *     fire where v > level;  then v <- 0, or v <- v - level, or v stays
 *
 * tz truncates toward zero. All in integers; no step can overflow 32 bits: each term is below 2^24.
 */
#ifndef CCX_NEURON_H
#define CCX_NEURON_H

#include "ccx_base.h"

#define CCX_STATE_LIMIT 0x7FFFFF

/* How v goes on after a spike. LATE takes the level off one step later, after the leak. */
typedef enum { CCX_RESET_ZERO, CCX_RESET_SUBTRACT, CCX_RESET_LATE, CCX_RESET_NONE } ccx_reset;

/* A population's parameters. A field is one value for all neurons, or, where its pointer is not NULL, one per neuron. */
typedef struct {
    const int16_t *keep_u_each;
    const int16_t *keep_v_each;
    const int32_t *level_each;
    const int16_t *bias_each;
    int32_t keep_u; /* 4095 - du, in 1/4096: what is left of u; 0 where there is no synaptic current */
    int32_t keep_v; /* 4096 - dv, in 1/4096 */
    int32_t level;  /* vth * 2^6 */
    int32_t bias;   /* mantissa */
    uint8_t bias_exp;
    ccx_reset reset;
    bool spiking;  /* false: a leaky integrator, whose output is v */
    bool may_wrap; /* u can leave 24 bits: proven from the weights and the inputs' ranges */
    bool may_clip; /* v can reach its clip */
    bool may_idle; /* no bias: a neuron at rest without drive stays at rest, and may be skipped */
} ccx_neurons;

/* tz(x * keep / 4096) + add, modulo 2^32, for |x| <= 2^23 and keep in 0..4096.
 *
 * The product has 35 bits. It is taken 20 bits up, x * (keep * 2^20), so that the result is its upper word, rounded down,
 * to which `add` is added from the start. A factor of 2^31 and more has no sign bit left: it is taken less 2^32, and x
 * itself added to the upper word. Where x is negative, the lower word of -1 is added first, the sign of x itself: the
 * product is a multiple of 2^20, so that this reaches the next whole number unless it is one already, which is rounding
 * toward zero. Two instructions on Armv7-M, ASR and SMLAL, and those that add. */
CCX_KERNEL int32_t ccx_decay(int32_t x, int32_t keep, uint32_t add)
{
    const int32_t factor = (int32_t)((uint32_t)keep << 20);
    const int32_t above = (int32_t)(add + (keep >= 2048 ? (uint32_t)x : 0u));
#if defined(__thumb2__)
    int32_t low = x >> 31, high = above; /* in C, compilers take six instructions and more */
    __asm__("smlal %0, %1, %2, %3" : "+r"(low), "+r"(high) : "r"(x), "r"(factor));
    return high;
#else
    const uint32_t rest = (uint32_t)(((int64_t)x * factor + (int64_t)(uint32_t)(x >> 31)) >> 32);
    return (int32_t)((uint32_t)above + rest);
#endif
}

/* x modulo 2^24, in (-2^23, 2^23]. */
CCX_KERNEL int32_t ccx_wrap(uint32_t x)
{
    return 0x800000 - (int32_t)((0x800000u - x) & 0xFFFFFFu);
}

CCX_KERNEL int32_t ccx_clip(int32_t v)
{
    if (v > CCX_STATE_LIMIT) {
        return CCX_STATE_LIMIT;
    }
    return v < -CCX_STATE_LIMIT ? -CCX_STATE_LIMIT : v;
}

/* Whether a condition holds that hardly ever does: what depends on it is jumped to, and costs the other case a comparison
 * and a branch. Without the empty statement compilers for Thumb make short code conditional, which takes its cycles either
 * way. */
CCX_KERNEL bool ccx_rarely(bool holds)
{
    if (__builtin_expect(holds, 0)) {
        __asm__ volatile("");
        return true;
    }
    return false;
}

/* Advance neuron i by a step.
 *
 * A neuron at rest that nothing drives is skipped where its population has no bias, which changes nothing: u and v stay
 * 0, 0 is not above a level of 0 or more, and one that fired the step before and is yet to pay for it is not at 0.
 *
 * drive: the sum of its currents times 2^6, modulo 2^32, of which u needs 24 bits.
 * u: its current, kept only where keep_u is not 0; *v: its membrane.
 * Returns whether it fired. */
CCX_KERNEL bool ccx_neuron(const ccx_neurons *p, uint32_t i, uint32_t drive, int32_t *u, int32_t *v)
{
    const bool has_current = p->keep_u_each != NULL || p->keep_u != 0;
    if (p->may_idle && (drive | (uint32_t)*v | (has_current ? (uint32_t)*u : 0u)) == 0u) {
        *u = 0;
        return false;
    }
    const int32_t before = *v;
    const int32_t level = p->level_each != NULL ? p->level_each[i] : p->level;
    const int32_t keep_v = p->keep_v_each != NULL ? p->keep_v_each[i] : p->keep_v;
    const int32_t bias = (p->bias_each != NULL ? p->bias_each[i] : p->bias) * (int32_t)(1u << p->bias_exp);
    uint32_t current = drive;
    if (has_current) {
        current = (uint32_t)ccx_decay(*u, p->keep_u_each != NULL ? p->keep_u_each[i] : p->keep_u, drive);
    }
    *u = p->may_wrap ? ccx_wrap(current) : (int32_t)current;
    const int32_t added = *u + bias;
    int32_t now = keep_v == 4096 ? before + added : ccx_decay(before, keep_v, (uint32_t)added);
    if (p->reset == CCX_RESET_LATE && p->spiking && before > level) {
        now -= level; /* before is above its level just where the neuron fired the step before */
    }
    if (p->may_clip) {
        now = ccx_clip(now);
    }
    const bool fired = p->spiking && ccx_rarely(now > level);
    if (fired && p->reset == CCX_RESET_ZERO) {
        now = 0;
    } else if (fired && p->reset == CCX_RESET_SUBTRACT) {
        now -= level;
    }
    *v = now;
    return fired;
}

#endif
