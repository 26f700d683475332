/* The four functions that a compiler calls without being asked, for a program without a C library. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);

/* Words where both lie on one, then bytes. The compiler must not see a memcpy in memcpy. */
#define NOT_ITSELF __attribute__((used)) __attribute__((no_builtin))

NOT_ITSELF void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((((uintptr_t)to | (uintptr_t)from) & 3u) == 0u) {
        for (; size >= 4u; size -= 4u, t += 4, f += 4) {
            *(uint32_t *)(void *)t = *(const uint32_t *)(const void *)f;
        }
    }
    for (; size != 0u; --size) {
        *t++ = *f++;
    }
    return to;
}

NOT_ITSELF void *memmove(void *to, const void *from, size_t size)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((uintptr_t)t - (uintptr_t)f >= size) {
        return memcpy(to, from, size);
    }
    while (size != 0u) {
        --size;
        t[size] = f[size];
    }
    return to;
}

NOT_ITSELF void *memset(void *to, int value, size_t size)
{
    uint8_t *t = to;
    const uint32_t word = (uint8_t)value * 0x01010101u;
    for (; size != 0u && ((uintptr_t)t & 3u) != 0u; --size) {
        *t++ = (uint8_t)word;
    }
    for (; size >= 4u; size -= 4u, t += 4) {
        *(uint32_t *)(void *)t = word;
    }
    for (; size != 0u; --size) {
        *t++ = (uint8_t)word;
    }
    return to;
}

NOT_ITSELF int memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *x = a, *y = b;
    for (; size != 0u; --size, ++x, ++y) {
        if (*x != *y) {
            return *x < *y ? -1 : 1;
        }
    }
    return 0;
}
