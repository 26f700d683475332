#include "ccx_crc16.h"

uint16_t ccx_crc16(const uint8_t *bytes, uint32_t size)
{
    uint32_t crc = 0xFFFFu;
    for (uint32_t i = 0; i < size; ++i) {
        /* Eight steps of the division at once: the polynomial has three taps, 12, 5 and 0. */
        uint32_t x = ((crc >> 8) ^ bytes[i]) & 0xFFu;
        x ^= x >> 4;
        crc = ((crc << 8) ^ (x << 12) ^ (x << 5) ^ x) & 0xFFFFu;
    }
    return (uint16_t)crc;
}
