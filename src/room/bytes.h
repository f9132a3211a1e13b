#pragma once

#include <glib.h>

/* Numbers in network byte order at any address. */
static inline guint16 eg_get_u16(const guint8 *bytes)
{
    return (guint16)(bytes[0] << 8 | bytes[1]);
}

static inline guint32 eg_get_u32(const guint8 *bytes)
{
    return (guint32)eg_get_u16(bytes) << 16 | eg_get_u16(bytes + 2);
}

static inline guint64 eg_get_u64(const guint8 *bytes)
{
    return (guint64)eg_get_u32(bytes) << 32 | eg_get_u32(bytes + 4);
}

static inline void eg_put_u16(guint8 *bytes, guint16 value)
{
    bytes[0] = (guint8)(value >> 8);
    bytes[1] = (guint8)(value & 0xff);
}

static inline void eg_put_u32(guint8 *bytes, guint32 value)
{
    eg_put_u16(bytes, (guint16)(value >> 16));
    eg_put_u16(bytes + 2, (guint16)(value & 0xffff));
}
