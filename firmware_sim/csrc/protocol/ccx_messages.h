/* What a device says to its host, packed into frames, and the codes of what it hears; layouts and meaning are those of
 * cortexcore/runtime/protocol/messages.py. Every function writes the whole frame; those that return bool return false,
 * and leave the frame as it was, where the message does not fit.
 */
#ifndef CCX_MESSAGES_H
#define CCX_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "ccx_frame.h"

#define CCX_PROTOCOL_VERSION 1u
#define CCX_MAX_SAMPLES ((CCX_MAX_PAYLOAD - 4u) / 2u)   /* of a Samples: 122 */
#define CCX_MAX_FILTERED ((CCX_MAX_PAYLOAD - 4u) / 4u)  /* of a Filtered: 61 */
#define CCX_MAX_NUMBERS ((CCX_MAX_PAYLOAD - 18u) / 4u)  /* scores and spikes of a Beat: 57 */
#define CCX_MAX_LEAD 15u
#define CCX_MAX_NAME 63u

enum {
    CCX_CODE_INFO = 0x01,
    CCX_CODE_SAMPLES = 0x02,
    CCX_CODE_END = 0x03,
    CCX_CODE_BEAT = 0x04,
    CCX_CODE_FILTERED = 0x05,
    CCX_CODE_CYCLES = 0x06,
    CCX_CODE_START = 0x81,
    CCX_CODE_STOP = 0x82
};

/* Who sends, and what its counts mean. Goes with sequence number 0, after a lone delimiter. */
typedef struct {
    uint32_t session; /* as the host's Start gave it */
    uint32_t gain;    /* thousandths of a count per millivolt, 1 and more */
    uint16_t rate_hz; /* 1 and more */
    uint8_t adc_bits; /* 1 to 16 */
    bool decides;     /* this device sends Beats */
    const char *lead; /* UTF-8, zero at the end: at most CCX_MAX_LEAD bytes, printable */
    const char *name; /* at most CCX_MAX_NAME */
} ccx_info;

/* What the network decided on one beat. */
typedef struct {
    uint32_t sample; /* index of the R peak since Start, modulo 2^32 */
    uint32_t cycles; /* from the complete beat to the decision; 0 where the device has no counter */
    int32_t rr_ms;
    uint16_t delay; /* samples from the R peak to the one that completed the beat */
    uint8_t features; /* version of windows and features */
    uint8_t label;    /* index of the class, below score_count */
    uint8_t score_count; /* 1 and more; with spike_count at most CCX_MAX_NUMBERS */
    uint8_t spike_count;
    const int32_t *scores;  /* of every class */
    const uint32_t *spikes; /* of every population, over all steps */
} ccx_decision;

/* What the device's own cycle counter measured since Start. */
typedef struct {
    uint64_t front_end;    /* cycles of the front end for all samples */
    uint64_t decisions;    /* for all beats, from complete to decided */
    uint32_t samples;
    uint32_t worst_sample; /* cycles of the dearest */
    uint32_t beats;
    uint32_t worst_beat;
} ccx_cycle_counts;

bool ccx_pack_info(ccx_frame *frame, uint8_t sequence, const ccx_info *info);

/* count: 1 to CCX_MAX_SAMPLES; first: index of the first since Start, modulo 2^32. */
bool ccx_pack_samples(ccx_frame *frame, uint8_t sequence, uint32_t first, const int16_t *counts, uint32_t count);

/* total: samples since Start, modulo 2^32. */
void ccx_pack_end(ccx_frame *frame, uint8_t sequence, uint32_t total);

bool ccx_pack_decision(ccx_frame *frame, uint8_t sequence, const ccx_decision *decision);

/* count: 1 to CCX_MAX_FILTERED samples, 4096 per millivolt. */
bool ccx_pack_filtered(ccx_frame *frame, uint8_t sequence, uint32_t first, const int32_t *values, uint32_t count);

void ccx_pack_cycles(ccx_frame *frame, uint8_t sequence, const ccx_cycle_counts *counts);

#endif
