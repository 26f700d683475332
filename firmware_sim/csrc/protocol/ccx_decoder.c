#include "ccx_decoder.h"

#include "ccx_messages.h"

/* The message of a body whose checksum held. */
static bool unpack(const uint8_t *body, uint32_t payload_size, ccx_host_message *message)
{
    const uint8_t *const payload = body + 2;
    switch (body[0]) {
    case CCX_CODE_START:
        if (payload_size != 5u) {
            return false;
        }
        message->kind = CCX_HOST_START;
        message->version = payload[0];
        message->session = payload[1] | (uint32_t)payload[2] << 8 | (uint32_t)payload[3] << 16 |
                           (uint32_t)payload[4] << 24;
        return true;
    case CCX_CODE_STOP:
        message->kind = CCX_HOST_STOP;
        message->version = 0;
        message->session = 0;
        return payload_size == 0;
    default:
        return false;
    }
}

static void follow(ccx_decoder *decoder, uint8_t sequence)
{
    ++decoder->counts.frames;
    decoder->counts.lost_frames += decoder->following ? (uint8_t)(sequence - decoder->expected) : 0u;
    decoder->expected = (uint8_t)(sequence + 1u);
    decoder->following = true;
}

/* The message of the pending bytes, `size` of them, if they are one. */
static bool decode(ccx_decoder *decoder, uint32_t size, ccx_host_message *message)
{
    uint8_t *const body = decoder->pending;
    if (!ccx_unstuff(body, &size)) {
        return false;
    }
    if (!ccx_body_holds(body, size)) {
        ++decoder->counts.crc_errors;
        return false;
    }
    follow(decoder, body[1]);
    return unpack(body, size - CCX_MIN_BODY, message);
}

/* The piece between two delimiters is complete; an empty one means nothing. */
static bool take(ccx_decoder *decoder, ccx_host_message *message)
{
    const uint32_t size = decoder->size;
    const bool overlong = decoder->overlong;
    decoder->size = 0;
    decoder->overlong = false;
    if (size == 0 && !overlong) {
        return false;
    }
    if (overlong || !decode(decoder, size, message)) {
        ++decoder->counts.bad_frames;
        return false;
    }
    if (message->kind == CCX_HOST_START) {
        decoder->counts = (ccx_link_counts){.frames = 1};
    }
    return true;
}

bool ccx_decoder_push(ccx_decoder *decoder, uint8_t byte, ccx_host_message *message)
{
    if (byte == 0) {
        return take(decoder, message);
    }
    if (decoder->size == CCX_MAX_ENCODED) {
        decoder->overlong = true;
        decoder->size = 0;
    }
    if (!decoder->overlong) {
        decoder->pending[decoder->size++] = byte;
    }
    return false;
}
