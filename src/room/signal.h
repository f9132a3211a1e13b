#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "livekit_rtc.pb-c.h"

/* One signalling connection to livekit-server: a WebSocket (RFC 6455) with a protobuf message in
 * each binary frame. It is made once and dies once; whoever wants another one makes a new one.
 * Session thread; callbacks never come from inside a call. */
typedef struct _EgSignal EgSignal;

typedef struct {
    const char *url;   /* ws://, wss://, http:// or https:// of the server, maybe with a path */
    const char *token; /* goes in a header, never into a log or an error */
    const char *resume_sid; /* the participant whose session goes on, or NULL: a new one */
    gint64 connect_ns;      /* how long connecting, and then the first message, may take */
} EgSignalParams;

/* The signal may be freed in any of them. */
typedef struct {
    void (*message)(gpointer user, const Livekit__SignalResponse *response);
    /* The last one: it never came to a connection, or the connection is lost. The error is
     * retryable if the same attempt may succeed later; otherwise the server has given its answer:
     * unauthenticated, permission_denied, not_found (the room) or, for what is no LiveKit server or
     * cannot be reached at all, invalid_argument and unavailable. */
    void (*closed)(gpointer user, const GError *error);
} EgSignalEvents;

/* Connects in the background. Everything is copied. */
EgSignal *eg_signal_new(EgLoop *loop, const EgLog *log, const EgSignalParams *params,
                        const EgSignalEvents *events, gpointer user);

/* Closes the WebSocket: what was sent and the close frame are on the wire when this returns, if the
 * network takes them at once; the server's answer is waited for in the background while the loop
 * runs. No callback comes afterwards. NULL is fine. */
void eg_signal_free(EgSignal *signal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgSignal, eg_signal_free)

/* Sends a message; false (nothing happens) while there is no connection. */
bool eg_signal_send(EgSignal *signal, const Livekit__SignalRequest *request);

/* From now on the server is asked every `interval_ns` whether it is there, and the connection is
 * lost when nothing has come for `timeout_ns`. */
void eg_signal_set_ping(EgSignal *signal, gint64 interval_ns, gint64 timeout_ns);
