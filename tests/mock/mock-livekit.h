#pragma once

#include "base/loop.h"
#include "livekit_rtc.pb-c.h"

/* The signalling side of a livekit-server, on a port of the loopback and in the test's own loop.
 * It does nothing by itself: the test says what it sends, and looks at what it received. Waiting
 * fails the test after ten seconds. */
typedef struct _MockLivekit MockLivekit;

MockLivekit *mock_livekit_new(EgLoop *loop);
void mock_livekit_free(MockLivekit *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MockLivekit, mock_livekit_free)

const char *mock_livekit_url(MockLivekit *server);

/* Runs the loop until `is_done`. */
void mock_run_until(EgLoop *loop, bool (*is_done)(gpointer user), gpointer user);

/* Runs until one more WebSocket than before is open, the one that is used from then on. */
void mock_livekit_accept(MockLivekit *server);

/* Of the last request. */
const char *mock_livekit_query(MockLivekit *server, const char *name);
const char *mock_livekit_authorization(MockLivekit *server);
guint mock_livekit_requests(MockLivekit *server); /* for a WebSocket, so far */

/* Answers with an HTTP status and text instead, until it is 0. */
void mock_livekit_refuse(MockLivekit *server, guint status, const char *body);

void mock_livekit_send(MockLivekit *server, const Livekit__SignalResponse *response);
void mock_livekit_send_raw(MockLivekit *server, const void *data, gsize size_bytes);

/* Runs until a request of this kind has come and returns it, for the test to free; pings in between
 * are skipped, anything else fails. */
Livekit__SignalRequest *mock_livekit_receive(MockLivekit *server,
                                             Livekit__SignalRequest__MessageCase kind);
guint mock_livekit_pending(MockLivekit *server); /* received and not fetched, pings not counted */
guint mock_livekit_pings(MockLivekit *server);

/* Runs until the client has closed the WebSocket, properly. */
void mock_livekit_wait_closed(MockLivekit *server);

void mock_livekit_cut(MockLivekit *server);            /* the TCP connection breaks */
void mock_livekit_stop_listening(MockLivekit *server); /* connection refused */
