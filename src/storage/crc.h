#pragma once

#include <glib.h>
#include <stdbool.h>

/* Checksums that stores tell of an object, and that those of its parts can be put together to. */
typedef struct _EgCrc EgCrc;

extern EgCrc eg_crc32c; /* RFC 3720, B.4: Google's */
extern EgCrc eg_crc64;  /* ECMA-182, as xz has it: Alibaba's */

/* Any thread. */
guint64 eg_crc(EgCrc *kind, GBytes *content);

/* Of two pieces, one after the other, of which the second is so long. */
guint64 eg_crc_join(const EgCrc *kind, guint64 first, guint64 second, guint64 second_bytes);

/* What is known of a part, as it is kept until all are there: its checksum and length, a new
 * string. Something may follow, after a blank. */
char *eg_crc_tag(guint64 crc, gsize n_bytes);

typedef struct {
    guint64 crc;
    guint64 n_bytes;
} EgCrcSum;

/* The sum, zero at first, with one more part. False for a tag that is not ours. */
bool eg_crc_add(const EgCrc *kind, EgCrcSum *sum, const char *tag);
