#pragma once

#include <hiredis/hiredis.h>

/* hiredis' parser, within bounds: an array that says it has more elements than any reply of use, or
 * more bytes than EG_REDIS_MAX_REPLY_BYTES that make no reply, are errors of the reader. */
redisReader *eg_redis_reader_new(void);

/* REDIS_OK, or what was fed is refused. */
int eg_redis_reader_feed(redisReader *reader, const char *data, size_t length);

#define EG_REDIS_MAX_REPLY_BYTES    (16 * 1024 * 1024)
#define EG_REDIS_MAX_REPLY_ELEMENTS 65536
