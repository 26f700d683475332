#include "ccx_messages.h"

/* Little endian, whatever the processor is. Each returns the place after what it wrote. */
static uint8_t *put16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value & 0xFFu);
    to[1] = (uint8_t)(value >> 8 & 0xFFu);
    return to + 2;
}

static uint8_t *put32(uint8_t *to, uint32_t value)
{
    return put16(put16(to, value), value >> 16);
}

static uint8_t *put64(uint8_t *to, uint64_t value)
{
    return put32(put32(to, (uint32_t)(value & 0xFFFFFFFFu)), (uint32_t)(value >> 32));
}

/* The length in one byte, then the text. */
static uint8_t *put_text(uint8_t *to, const char *text, uint32_t length)
{
    *to++ = (uint8_t)length;
    for (uint32_t i = 0; i < length; ++i) {
        *to++ = (uint8_t)text[i];
    }
    return to;
}

/* Bytes before the zero at the end, no more than `most` + 1 of which are looked at. */
static uint32_t length_of(const char *text, uint32_t most)
{
    uint32_t length = 0;
    while (length <= most && text[length] != '\0') {
        ++length;
    }
    return length;
}

/* Complete the frame: the payload ends before `end`. */
static void finish(ccx_frame *frame, uint8_t code, uint8_t sequence, const uint8_t *end)
{
    ccx_frame_close(frame, code, sequence, (uint32_t)(end - (frame->bytes + CCX_PAYLOAD_AT)));
}

bool ccx_pack_info(ccx_frame *frame, uint8_t sequence, const ccx_info *info)
{
    const uint32_t lead = length_of(info->lead, CCX_MAX_LEAD), name = length_of(info->name, CCX_MAX_NAME);
    if (lead > CCX_MAX_LEAD || name > CCX_MAX_NAME || info->adc_bits < 1u || info->adc_bits > 16u || info->gain < 1u ||
        info->rate_hz < 1u) {
        return false;
    }
    uint8_t *to = frame->bytes + CCX_PAYLOAD_AT;
    *to++ = CCX_PROTOCOL_VERSION;
    *to++ = (uint8_t)(info->adc_bits | (info->decides ? 0x80u : 0u));
    to = put16(to, info->rate_hz);
    to = put32(to, info->session);
    to = put32(to, info->gain);
    to = put_text(to, info->lead, lead);
    to = put_text(to, info->name, name);
    finish(frame, CCX_CODE_INFO, sequence, to);
    return true;
}

bool ccx_pack_samples(ccx_frame *frame, uint8_t sequence, uint32_t first, const int16_t *counts, uint32_t count)
{
    if (count < 1u || count > CCX_MAX_SAMPLES) {
        return false;
    }
    uint8_t *to = put32(frame->bytes + CCX_PAYLOAD_AT, first);
    for (uint32_t i = 0; i < count; ++i) {
        to = put16(to, (uint16_t)counts[i]);
    }
    finish(frame, CCX_CODE_SAMPLES, sequence, to);
    return true;
}

void ccx_pack_end(ccx_frame *frame, uint8_t sequence, uint32_t total)
{
    finish(frame, CCX_CODE_END, sequence, put32(frame->bytes + CCX_PAYLOAD_AT, total));
}

bool ccx_pack_decision(ccx_frame *frame, uint8_t sequence, const ccx_decision *decision)
{
    const uint32_t scores = decision->score_count, spikes = decision->spike_count;
    if (scores < 1u || scores + spikes > CCX_MAX_NUMBERS || decision->label >= scores) {
        return false;
    }
    uint8_t *to = frame->bytes + CCX_PAYLOAD_AT;
    to = put32(to, decision->sample);
    to = put32(to, decision->cycles);
    to = put32(to, (uint32_t)decision->rr_ms);
    to = put16(to, decision->delay);
    *to++ = decision->features;
    *to++ = decision->label;
    *to++ = decision->score_count;
    *to++ = decision->spike_count;
    for (uint32_t i = 0; i < scores; ++i) {
        to = put32(to, (uint32_t)decision->scores[i]);
    }
    for (uint32_t i = 0; i < spikes; ++i) {
        to = put32(to, decision->spikes[i]);
    }
    finish(frame, CCX_CODE_BEAT, sequence, to);
    return true;
}

bool ccx_pack_filtered(ccx_frame *frame, uint8_t sequence, uint32_t first, const int32_t *values, uint32_t count)
{
    if (count < 1u || count > CCX_MAX_FILTERED) {
        return false;
    }
    uint8_t *to = put32(frame->bytes + CCX_PAYLOAD_AT, first);
    for (uint32_t i = 0; i < count; ++i) {
        to = put32(to, (uint32_t)values[i]);
    }
    finish(frame, CCX_CODE_FILTERED, sequence, to);
    return true;
}

void ccx_pack_cycles(ccx_frame *frame, uint8_t sequence, const ccx_cycle_counts *counts)
{
    uint8_t *to = put32(frame->bytes + CCX_PAYLOAD_AT, counts->samples);
    to = put64(to, counts->front_end);
    to = put32(to, counts->worst_sample);
    to = put32(to, counts->beats);
    to = put64(to, counts->decisions);
    to = put32(to, counts->worst_beat);
    finish(frame, CCX_CODE_CYCLES, sequence, to);
}
