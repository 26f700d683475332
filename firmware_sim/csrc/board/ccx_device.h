/* The device as its host knows it: introduces itself, sends samples, decides on beats, and says so. */
#ifndef CCX_DEVICE_H
#define CCX_DEVICE_H

#include "ccx_board.h"
#include "ccx_decoder.h"

/* Obey the host: Start introduces the device and begins anew with sample 0, Stop silences it. */
void ccx_device_hear(const ccx_host_message *message);
/* Take the next sample. */
void ccx_device_sample(int16_t counts);
/* There are no more samples: decide on the beats that still wait, then say End, now and once a second. */
void ccx_device_end(void);

#endif
