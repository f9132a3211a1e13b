#pragma once

#include <jansson.h>

#include "base/log.h"
#include "base/loop.h"

/* The DevTools protocol over a socket: JSON messages that end with NUL. A page decides what many
 * of them contain (a console line can have any length and any characters), so a message that is too
 * long, or that is no JSON, is counted and left out; it ends nothing. Session thread only;
 * callbacks come from the loop, and may free it. */
typedef struct _EgDevtools EgDevtools;

/* Longer messages are left out. */
#define EG_DEVTOOLS_MAX_MESSAGE_BYTES (16 * 1024 * 1024)

typedef struct {
    /* Something happened; `session` is NULL for what concerns the browser as a whole. Never NULL:
     * `params`, which is an object. */
    void (*event)(gpointer user, const char *session, const char *method, const json_t *params);
    /* The other side is gone. Calls that wait are dropped. Once, and the last one. */
    void (*closed)(gpointer user, const GError *error);
} EgDevtoolsEvents;

/* The answer: an object, or NULL and why not. Once for each call, unless `closed` comes first. */
typedef void (*EgDevtoolsReply)(gpointer user, const json_t *result, const GError *error);

/* Takes the socket. */
EgDevtools *eg_devtools_new(EgLoop *loop, int fd, const EgLog *log, const EgDevtoolsEvents *events,
                            gpointer user);

/* No callback comes afterwards. */
void eg_devtools_free(EgDevtools *devtools);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgDevtools, eg_devtools_free)

/* Calls `method` with `params` (transfer full; NULL: none). An error of the other side is
 * EG_ERROR_INTERNAL with its text; no answer within `timeout_ns` is EG_ERROR_DEADLINE_EXCEEDED, and
 * what comes later is ignored. `reply` may be NULL: errors are logged then. Returns the call's
 * number. */
gint64 eg_devtools_call(EgDevtools *devtools, const char *session, const char *method,
                        json_t *params, gint64 timeout_ns, EgDevtoolsReply reply, gpointer user);

/* No answer to this call comes any more, if one was still to come. */
void eg_devtools_forget(EgDevtools *devtools, gint64 call);

/* A string, integer or object inside of `object` by its path, "frame.url"; "", 0 or NULL if there
 * is none. Strings may contain NUL, at which they end here. */
const char *eg_devtools_get_string(const json_t *object, const char *path);
gint64 eg_devtools_get_integer(const json_t *object, const char *path);
const json_t *eg_devtools_get(const json_t *object, const char *path);
