#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/* Where livekit-server's signalling is, and what its refusals mean. */

/* The address that `url` stands for: the scheme of a WebSocket, /rtc below the path, and the
 * parameters that join, or resume the session of the participant `resume_sid` (may be NULL). NULL
 * and an error that says what would be right. */
GUri *eg_signal_uri_new(const char *url, const char *resume_sid, GError **error);

/* The same, but where the server says by HTTP why it refuses to join. */
GUri *eg_signal_uri_new_validate(const GUri *uri);

/* "ws://host:7880/path": what was given, without anything secret; for logs and errors. A new
 * string. */
char *eg_signal_uri_describe(const GUri *uri);

/* Translates how connecting failed. Retryable is what a moment later may be otherwise: not a
 * refused connection, an unknown name or an untrusted certificate. */
void eg_signal_error_set_connect(GError **error, const GUri *uri, const GError *cause);

/* Translates the HTTP status of an answer that is no WebSocket. `body` (may be NULL) is the
 * server's reason; the token is cut out of it, since the server repeats it. */
void eg_signal_error_set_status(GError **error, const GUri *uri, guint status, const char *body,
                                const char *token);
