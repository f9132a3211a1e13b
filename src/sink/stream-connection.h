#pragma once

#include <gst/gst.h>
#include <stdbool.h>

#include "request/stream-url.h"

/* One connection to a server that takes a stream, and the container that goes over it; by
 * libavformat. Whoever calls waits for the network, but never for longer than is said here. One
 * thread. */
typedef struct _EgStreamConnection EgStreamConnection;

typedef struct {
    const EgStreamUrl *url;
    const char *name;     /* for errors: the URL without its secrets */
    const GstCaps *audio; /* of the coded frames; NULL: none */
    const GstCaps *video;
    gint64 shift_ns;          /* added to all times: none is negative in a stream */
    const char *ca_cert_file; /* whose certificates are trusted; NULL: those the system trusts */
    bool takes_any_certificate;
    const gint *is_canceled; /* atomic: set, everything that waits gives up */
} EgStreamConnectionParams;

/* Until the server has agreed to take the stream: ten seconds at most; as a listener, until
 * somebody comes. `params` must outlive it. An error says why not, and blames the destination. */
EgStreamConnection *eg_stream_connection_open(const EgStreamConnectionParams *params,
                                              GError **error);

/* Closes it as it is. NULL is fine. */
void eg_stream_connection_free(EgStreamConnection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgStreamConnection, eg_stream_connection_free)

/* Sends a frame, which stays the caller's: its part of the muxed stream is taken by the system when
 * this returns. A server that takes nothing for ten seconds is lost. */
bool eg_stream_connection_write(EgStreamConnection *connection, EgMedia media, GstBuffer *frame,
                                GError **error);

/* Says goodbye; nothing is sent afterwards. */
bool eg_stream_connection_finish(EgStreamConnection *connection, GError **error);

guint64 eg_stream_connection_size_bytes(const EgStreamConnection *connection);
