/* One message on the wire, as cortexcore/runtime/protocol/frame.py has it:
 *
 *     stuffed( code | sequence | payload: 0 to 248 bytes | CRC-16 of all before it, low byte first ) | 0x00
 *
 * A body has at most 252 bytes, so stuffing adds one byte and is done in place.
 */
#ifndef CCX_FRAME_H
#define CCX_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#define CCX_MAX_PAYLOAD 248u
#define CCX_MIN_BODY 4u
#define CCX_MAX_ENCODED (CCX_MIN_BODY + CCX_MAX_PAYLOAD + 1u) /* without the delimiter */
#define CCX_PAYLOAD_AT 3u

/* A frame to send: the first `size` bytes. */
typedef struct {
    uint8_t bytes[CCX_MAX_ENCODED + 1u];
    uint32_t size;
} ccx_frame;

/* Complete a frame whose payload, at most CCX_MAX_PAYLOAD bytes, stands from bytes[CCX_PAYLOAD_AT] on.
 * sequence: how many frames this side has sent since Info or Start, modulo 256. */
void ccx_frame_close(ccx_frame *frame, uint8_t code, uint8_t sequence, uint32_t payload_size);

/* Undo the stuffing of `*size` bytes in place; `*size` becomes the body's. Returns false where they are not stuffed:
 * they hold a zero, or the last run is shorter than its code says. */
bool ccx_unstuff(uint8_t *bytes, uint32_t *size);

/* Whether an unstuffed body is long enough and its checksum holds. */
bool ccx_body_holds(const uint8_t *body, uint32_t size);

#endif
