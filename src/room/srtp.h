#pragma once

#include "room/dtls.h"

/* SRTP and SRTCP (RFC 3711, 7714) by libsrtp2, with one key for all streams of a direction. */
typedef struct _EgSrtp EgSrtp;

/* Sets the library up, which tests all its ciphers for some 30 ms, once per process. Otherwise the
 * first eg_srtp_new() does it, when media is already coming. */
void eg_srtp_prepare(void);

EgSrtp *eg_srtp_new(const EgSrtpKeys *keys, GError **error);
void eg_srtp_free(EgSrtp *srtp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgSrtp, eg_srtp_free)

/* Bytes that eg_srtp_protect_rtcp() adds at most. */
#define EG_SRTP_OVERHEAD_BYTES 64

/* In place. False for what is not authentic, and for what was there before. */
bool eg_srtp_unprotect_rtp(EgSrtp *srtp, guint8 *data, gsize *size_bytes);
bool eg_srtp_unprotect_rtcp(EgSrtp *srtp, guint8 *data, gsize *size_bytes);

/* In place, with room for EG_SRTP_OVERHEAD_BYTES more. */
bool eg_srtp_protect_rtcp(EgSrtp *srtp, guint8 *data, gsize *size_bytes);
