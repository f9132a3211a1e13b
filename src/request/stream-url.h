#pragma once

#include <glib.h>

#include "request/format.h"

/* What a request says of a stream. */
typedef struct {
    const char *url;
    const char *id; /* as it is reported; NULL: none */
} EgStreamDestination;

/* The URL of a server that takes a stream, taken apart. */
typedef struct {
    EgFormat format; /* FLV: RTMP; TS: SRT */
    char *server;    /* to connect to: without key and options, but with user information */

    /* RTMP */
    char *app;
    char *key; /* with its query; may be "" */

    /* SRT; not set: NULL and -1 */
    bool is_listener;
    char *passphrase;
    char *stream_id;
    int key_length_bytes;
    gint64 latency_ms;
    GPtrArray *ignored; /* char *: names of options that are not known */
} EgStreamUrl;

/* rtmp(s)://host(/path)/app/key( live=1), mux://key, twitch://key or srt://host:port?options. An
 * error says what is wrong in LiveKit's words, without the secrets. */
EgStreamUrl *eg_stream_url_parse(const char *url, GError **error);
void eg_stream_url_free(EgStreamUrl *url);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgStreamUrl, eg_stream_url_free)
