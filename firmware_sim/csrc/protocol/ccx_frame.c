#include "ccx_frame.h"

#include "ccx_crc16.h"

void ccx_frame_close(ccx_frame *frame, uint8_t code, uint8_t sequence, uint32_t payload_size)
{
    uint8_t *const body = frame->bytes + 1;
    const uint32_t covered = 2u + payload_size, size = covered + 2u;
    body[0] = code;
    body[1] = sequence;
    const uint16_t crc = ccx_crc16(body, covered);
    body[covered] = (uint8_t)(crc & 0xFFu);
    body[covered + 1u] = (uint8_t)(crc >> 8);
    /* Each zero gives way to the distance to the next one, or to the end; no distance reaches 255. */
    uint32_t mark = 0;
    for (uint32_t i = 1; i <= size; ++i) {
        if (frame->bytes[i] == 0) {
            frame->bytes[mark] = (uint8_t)(i - mark);
            mark = i;
        }
    }
    frame->bytes[mark] = (uint8_t)(size + 1u - mark);
    frame->bytes[size + 1u] = 0;
    frame->size = size + 2u;
}

bool ccx_unstuff(uint8_t *bytes, uint32_t *size)
{
    uint32_t from = 0, to = 0;
    while (from < *size) {
        const uint32_t code = bytes[from], end = from + code;
        if (code == 0 || end > *size) {
            return false;
        }
        /* A byte is written where, or before where, it was read. */
        for (++from; from < end; ++from) {
            bytes[to++] = bytes[from];
        }
        if (code != 0xFFu && end < *size) {
            bytes[to++] = 0;
        }
    }
    *size = to;
    return true;
}

bool ccx_body_holds(const uint8_t *body, uint32_t size)
{
    return size >= CCX_MIN_BODY && ccx_crc16(body, size - 2u) == (body[size - 2u] | body[size - 1u] << 8);
}
