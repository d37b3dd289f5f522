/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Big-endian integers in byte arrays of any alignment: Kafka's wire order and that of our own
 * formats.
 */
#ifndef KS_BASE_ENDIAN_H
#define KS_BASE_ENDIAN_H

#include <stdint.h>

static inline uint16_t
ks_get_u16(const uint8_t *p)
{
    return (uint16_t) (p[0] << 8 | p[1]);
}

static inline uint32_t
ks_get_u32(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static inline uint64_t
ks_get_u64(const uint8_t *p)
{
    return (uint64_t) ks_get_u32(p) << 32 | ks_get_u32(p + 4);
}

static inline void
ks_put_u16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t) (value >> 8);
    p[1] = (uint8_t) value;
}

static inline void
ks_put_u32(uint8_t *p, uint32_t value)
{
    ks_put_u16(p, (uint16_t) (value >> 16));
    ks_put_u16(p + 2, (uint16_t) value);
}

static inline void
ks_put_u64(uint8_t *p, uint64_t value)
{
    ks_put_u32(p, (uint32_t) (value >> 32));
    ks_put_u32(p + 4, (uint32_t) value);
}

#endif
