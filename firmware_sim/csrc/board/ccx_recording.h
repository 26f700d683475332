/* The recording that recording.c plays. */
#ifndef CCX_RECORDING_H
#define CCX_RECORDING_H

#include "ccx_board.h"

extern const ccx_signal ccx_recorded_signal;
extern const uint32_t ccx_recorded_count; /* samples */
extern const int16_t ccx_recorded[];      /* ADC counts */

#endif
