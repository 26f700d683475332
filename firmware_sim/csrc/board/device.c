#include "ccx_device.h"

#include "ccx.h"
#include "ccx_messages.h"

#define BLOCK 25u /* samples per frame: 100 ms at 250 Hz */

typedef enum { SILENT, SENDING, ENDED } device_phase;

static ccx_state model;
static ccx_frame frame;
static device_phase phase;
static uint8_t sequence;
static bool decides;
static int16_t block[BLOCK];
#ifdef CCX_SEND_FILTERED
static int32_t filtered[BLOCK];
#endif
static uint32_t waiting; /* samples in the block */
static uint32_t samples; /* since Start, modulo 2^32 */
static uint32_t said_end;
static ccx_cycle_counts counted;

static void send(void)
{
    for (uint32_t i = 0; i < frame.size; ++i) {
        ccx_uart_put(frame.bytes[i]);
    }
    ++sequence;
}

static void send_block(void)
{
    if (waiting == 0u) {
        return;
    }
    (void)ccx_pack_samples(&frame, sequence, samples - waiting, block, waiting);
    send();
#ifdef CCX_SEND_FILTERED
    if (decides) {
        (void)ccx_pack_filtered(&frame, sequence, samples - waiting, filtered, waiting);
        send();
    }
#endif
    waiting = 0;
}

static void add_cycles(uint64_t *total, uint32_t *worst, uint32_t cycles)
{
    *total += cycles;
    if (cycles > *worst) {
        *worst = cycles;
    }
}

/* A counter that stands at 0 is none: nothing to tell. */
static void send_cycles(void)
{
    if (counted.worst_sample != 0u) {
        ccx_pack_cycles(&frame, sequence, &counted);
        send();
    }
}

/* The samples that a decision rests on go before it. */
static void send_events(void)
{
    ccx_event event;
    uint32_t before = ccx_cycles();
    while (ccx_poll_event(&model, &event)) {
        const uint32_t cycles = ccx_cycles() - before;
        const ccx_decision decision = {
            .sample = (uint32_t)event.sample,
            .cycles = cycles,
            .rr_ms = event.rr_ms,
            .delay = (uint16_t)(event.ready - event.sample),
            .features = CCX_FE_FEATURES_VERSION,
            .label = (uint8_t)event.label,
            .score_count = CCX_CLASSES,
            .spike_count = CCX_SPIKING,
            .scores = event.scores,
            .spikes = event.spikes,
        };
        ++counted.beats;
        add_cycles(&counted.decisions, &counted.worst_beat, cycles);
        send_block();
        if (ccx_pack_decision(&frame, sequence, &decision)) {
            send();
        }
        send_cycles();
        before = ccx_cycles();
    }
}

static void start(uint32_t session)
{
    const ccx_signal signal = ccx_adc_signal();
    const uint32_t gain = signal.gain_milli_counts_per_mv;
    decides = signal.rate_hz == CCX_FE_RATE_HZ && ccx_init(&model, gain);
    const ccx_info info = {session, gain, signal.rate_hz, signal.adc_bits, decides, signal.lead, signal.name};
    phase = SILENT;
    sequence = 0;
    waiting = samples = 0;
    counted = (ccx_cycle_counts){0};
    if (ccx_pack_info(&frame, sequence, &info)) {
        ccx_uart_put(0); /* ends whatever was on the line */
        send();
        phase = SENDING;
        ccx_adc_start();
    }
}

void ccx_device_hear(const ccx_host_message *message)
{
    ccx_adc_stop();
    phase = SILENT;
    if (message->kind == CCX_HOST_START) {
        start(message->session);
    }
}

void ccx_device_sample(int16_t counts)
{
    if (phase != SENDING) {
        return;
    }
    if (decides) {
        const uint32_t before = ccx_cycles();
#ifdef CCX_SEND_FILTERED
        (void)ccx_push_samples(&model, &counts, 1, &filtered[waiting]);
#else
        (void)ccx_push_samples(&model, &counts, 1, NULL);
#endif
        ++counted.samples;
        add_cycles(&counted.front_end, &counted.worst_sample, ccx_cycles() - before);
    }
    block[waiting++] = counts;
    ++samples;
    if (decides) {
        send_events();
    }
    if (waiting == BLOCK) {
        send_block();
    }
}

void ccx_device_end(void)
{
    if (phase == SENDING) {
        if (decides && ccx_flush(&model)) {
            send_events();
        }
        send_block();
        phase = ENDED;
    } else if (phase != ENDED || ccx_timer() - said_end < CCX_TIMER_HZ) {
        return;
    }
    ccx_pack_end(&frame, sequence, samples);
    send();
    said_end = ccx_timer();
}
