/* Bytes from the host in, messages out: finds frames in a stream that may be cut anywhere, damaged, or start in the
 * middle. Whatever arrives, it holds one frame at most; after a bad one it goes on with the next delimiter.
 */
#ifndef CCX_DECODER_H
#define CCX_DECODER_H

#include <stdbool.h>
#include <stdint.h>

#include "ccx_frame.h"

/* How the link did since the last Start; as LinkCounts of cortexcore, modulo 2^32. */
typedef struct {
    uint32_t frames;      /* arrived whole */
    uint32_t bad_frames;  /* pieces between two delimiters that are no message of a host */
    uint32_t crc_errors;  /* those of bad_frames that failed by their checksum alone */
    uint32_t lost_frames; /* that the sequence numbers miss; modulo 256 in one gap */
} ccx_link_counts;

typedef enum { CCX_HOST_START, CCX_HOST_STOP } ccx_host_kind;

typedef struct {
    ccx_host_kind kind;
    uint32_t session; /* of a Start */
    uint8_t version;  /* of the protocol that a Start asks for */
} ccx_host_message;

/* All zeros: nothing came yet. */
typedef struct {
    uint8_t pending[CCX_MAX_ENCODED];
    uint32_t size;
    bool overlong;
    bool following; /* `expected` is known */
    uint8_t expected; /* sequence number of the next frame */
    ccx_link_counts counts;
} ccx_decoder;

/* Take one byte. Returns true where it completed a message, which is written to `message`. Ten instructions, and at a
 * delimiter some twenty per byte of the frame. */
bool ccx_decoder_push(ccx_decoder *decoder, uint8_t byte, ccx_host_message *message);

#endif
