/* Where the last few values of something stand in their array: a ring that fills up first. */
#ifndef CCX_RECENT_H
#define CCX_RECENT_H

#include <stdint.h>

typedef struct {
    uint32_t count; /* values so far, at most the array's length */
    uint32_t next;  /* place of the next one */
} ccx_recent;

/* Add a value; a full ring of `length` gives up its oldest. */
static inline void ccx_recent_push(ccx_recent *recent, uint32_t *values, uint32_t length, uint32_t value)
{
    values[recent->next] = value;
    recent->next = recent->next == length - 1u ? 0u : recent->next + 1u;
    recent->count += recent->count < length ? 1u : 0u;
}

/* The value `age` before the newest; age < count. */
static inline uint32_t ccx_recent_at(const ccx_recent *recent, const uint32_t *values, uint32_t length, uint32_t age)
{
    return values[recent->next > age ? recent->next - 1u - age : recent->next + length - 1u - age];
}

#endif
