/* CRC-16/IBM-3740 (CCITT-FALSE), the checksum at the end of every frame. */
#ifndef CCX_CRC16_H
#define CCX_CRC16_H

#include <stdint.h>

/* Polynomial 0x1021, initial value 0xFFFF, nothing reflected; of the digits 123456789: 0x29B1. Some ten instructions a
 * byte, no table. */
uint16_t ccx_crc16(const uint8_t *bytes, uint32_t size);

#endif
