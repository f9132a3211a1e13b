#include "sink/stream-connection.h"

#include <errno.h>
#include <srt.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "proto/redact.h"
#include "sink/av-util.h"
#include "sink/muxer.h"

#define CONNECT_NS (10 * EG_NS_PER_S)
#define STALL_NS   (10 * EG_NS_PER_S)

/* Whoever wants the stream comes when they like. */
#define LISTEN_NS (G_MAXINT64 / 2)

#define FINISH_NS (3 * EG_NS_PER_S)

/* What the system keeps of what the server has not taken yet: enough for 20 Mbit/s over 100 ms, and
 * full some seconds after a server has stopped to read. */
#define SEND_BUFFER "262144"

/* A receiver of SRT keeps what has come for so long, and throws it away when we go; it may have set
 * more for itself. */
#define SRT_LATENCY_NS  (120 * EG_NS_PER_MS)
#define SRT_ROUND_NS    (200 * EG_NS_PER_MS)
#define SRT_MAX_STAY_NS EG_NS_PER_S
#define SRT_STEP_NS     (20 * EG_NS_PER_MS)

/* SRT's data in one packet: seven of MPEG-TS. */
#define SRT_PACKET "1316"

struct _EgStreamConnection {
    const EgStreamConnectionParams *params;
    gint64 deadline_ns; /* of what waits now */
    GString *log;       /* what libav has to say */
    EgMuxer *muxer;
};

/* Called by libav while it waits. */
static int is_over(void *user)
{
    const EgStreamConnection *connection = user;
    return g_atomic_int_get(connection->params->is_canceled) != 0 ||
           eg_now_ns() >= connection->deadline_ns;
}

static void set_text(AVDictionary **options, const char *name, const char *value)
{
    if (value != NULL)
        av_dict_set(options, name, value, 0);
}

static AVDictionary *rtmp_options(const EgStreamConnectionParams *params)
{
    AVDictionary *options = NULL;
    set_text(&options, "rtmp_app", params->url->app);
    set_text(&options, "rtmp_playpath", params->url->key);
    set_text(&options, "send_buffer_size", SEND_BUFFER);
    set_text(&options, "tcp_nodelay", "1");
    if (g_str_has_prefix(params->url->server, "rtmps:")) {
        set_text(&options, "tls_verify", params->takes_any_certificate ? "0" : "1");
        set_text(&options, "ca_file", params->ca_cert_file);
    }
    return options;
}

static AVDictionary *srt_options(const EgStreamConnectionParams *params)
{
    const EgStreamUrl *url = params->url;
    AVDictionary *options = NULL;
    set_text(&options, "mode", url->is_listener ? "listener" : "caller");
    set_text(&options, "transtype", "live");
    set_text(&options, "pkt_size", SRT_PACKET);
    set_text(&options, "passphrase", url->passphrase);
    set_text(&options, "streamid", url->stream_id);
    av_dict_set_int(&options, "connect_timeout", CONNECT_NS / EG_NS_PER_MS, 0);
    if (url->key_length_bytes > 0)
        av_dict_set_int(&options, "pbkeylen", url->key_length_bytes, 0);
    if (url->latency_ms >= 0)
        av_dict_set_int(&options, "latency", url->latency_ms * 1000, 0);
    return options;
}

/* By format. */
static AVDictionary *(*const option_makers[EG_N_FORMATS])(const EgStreamConnectionParams *) = {
    [EG_FORMAT_FLV] = rtmp_options,
    [EG_FORMAT_TS] = srt_options,
};

/* What libav says may have the key in it. */
static char *without_secrets(const EgStreamConnection *connection, const char *text)
{
    const EgStreamUrl *url = connection->params->url;
    const char *const secrets[] = {url->key, url->passphrase, url->stream_id};
    GString *shown = g_string_new(text);
    for (gsize i = 0; i < G_N_ELEMENTS(secrets); i++) {
        if (secrets[i] != NULL && *secrets[i] != '\0')
            g_string_replace(shown, secrets[i], "{...}", 0);
    }
    char *valid = g_utf8_make_valid(shown->str, (gssize)shown->len);
    g_string_free(shown, TRUE);
    return valid;
}

/* What libav tells of in no other way, and what it means; NULL: what follows is the server's. */
static const struct {
    const char *said;
    const char *reason;
} sayings[] = {
    {"Failed to resolve hostname",      "the name of the host is not known"      },
    {"certificate failed verification", "its certificate is not trusted"         },
    {"owner does not match hostname",   "its certificate is that of another host"},
    {"Cannot read RTMP handshake",      "it does not speak RTMP"                 },
    {"Cannot open connection tls",      "it does not speak TLS"                  },
    {"Server error: ",                  NULL                                     },
};

static char *find_saying(const char *log)
{
    for (gsize i = 0; i < G_N_ELEMENTS(sayings); i++) {
        const char *found = strstr(log, sayings[i].said);
        if (found == NULL)
            continue;
        if (sayings[i].reason != NULL)
            return g_strdup(sayings[i].reason);
        found += strlen(sayings[i].said);
        return g_strdup_printf("it says: %.*s", (int)strcspn(found, "\n"), found);
    }
    return NULL;
}

/* What a server means that ends the connection without a word. */
static const char *const refusals[EG_N_FORMATS] = {
    [EG_FORMAT_FLV] = "it has closed the connection; stream key or application may be wrong",
    [EG_FORMAT_TS] = "it refuses the connection; passphrase, pbkeylen or streamid may be wrong",
};

/* Why it failed, in words. */
static char *explain(const EgStreamConnection *connection, int averror)
{
    int errnum = AVUNERROR(averror);
    if (g_atomic_int_get(connection->params->is_canceled) != 0)
        return g_strdup(connection->params->url->is_listener ? "nobody has come" : "given up");
    if (averror == AVERROR_EXIT || eg_now_ns() >= connection->deadline_ns)
        return g_strdup("no answer");
    if (errnum > 0 && errnum < 4096 && errnum != EIO && errnum != EPERM && errnum != EINVAL)
        return g_strdup(g_strerror(errnum));
    g_autofree char *saying = find_saying(connection->log->str);
    return saying != NULL ? without_secrets(connection, saying)
                          : g_strdup(refusals[connection->params->url->format]);
}

static AVIOContext *connect_to_server(EgStreamConnection *connection, GError **error)
{
    const EgStreamConnectionParams *params = connection->params;
    const AVIOInterruptCB interrupt = {.callback = is_over, .opaque = connection};
    AVIOContext *io = NULL;
    AVDictionary *options = option_makers[params->url->format](params);
    int result = avio_open2(&io, params->url->server, AVIO_FLAG_WRITE, &interrupt, &options);
    av_dict_free(&options);
    if (result >= 0)
        return io;
    g_autofree char *reason = explain(connection, result);
    eg_error_set(error, EG_ERROR_UNAVAILABLE, EG_BLAME_DESTINATION, "cannot stream to %s: %s",
                 params->name, reason);
    return NULL;
}

static void begin(EgStreamConnection *connection, gint64 limit_ns)
{
    connection->deadline_ns = eg_now_ns() + limit_ns;
    g_string_truncate(connection->log, 0);
    eg_av_capture_log(connection->log);
}

/* libsrt would write to standard error; what goes wrong is returned. */
static void ignore_srt_log(void *user, int level, const char *file, int line, const char *area,
                           const char *message)
{
    (void)user;
    (void)level;
    (void)file;
    (void)line;
    (void)area;
    (void)message;
}

EgStreamConnection *eg_stream_connection_open(const EgStreamConnectionParams *params,
                                              GError **error)
{
    eg_av_init();
    srt_setloghandler(NULL, ignore_srt_log);
    EgStreamConnection *connection = g_new0(EgStreamConnection, 1);
    connection->params = params;
    connection->log = g_string_new(NULL);
    begin(connection, params->url->is_listener ? LISTEN_NS : CONNECT_NS);
    AVIOContext *io = connect_to_server(connection, error);
    if (io != NULL)
        connection->muxer = eg_muxer_new_live(io, params->name, params->url->format, params->audio,
                                              params->video, params->shift_ns, error);
    eg_av_capture_log(NULL);
    if (connection->muxer == NULL)
        g_clear_pointer(&connection, eg_stream_connection_free);
    return connection;
}

void eg_stream_connection_free(EgStreamConnection *connection)
{
    if (connection == NULL)
        return;
    begin(connection, FINISH_NS);
    eg_muxer_free(connection->muxer);
    eg_av_capture_log(NULL);
    g_string_free(connection->log, TRUE);
    g_free(connection);
}

/* In place of the muxer's error, which speaks of a disk. */
static bool complete(EgStreamConnection *connection, bool is_done, GError *cause, GError **error)
{
    eg_av_capture_log(NULL);
    if (is_done)
        return true;
    bool is_stalled = eg_now_ns() >= connection->deadline_ns;
    g_autofree char *reason = find_saying(connection->log->str);
    g_autofree char *text = without_secrets(connection, reason != NULL ? reason : cause->message);
    eg_error_set(error, EG_ERROR_UNAVAILABLE, EG_BLAME_DESTINATION, "stream to %s lost: %s",
                 connection->params->name, is_stalled ? "it takes nothing any more" : text);
    return false;
}

bool eg_stream_connection_write(EgStreamConnection *connection, EgMedia media, GstBuffer *frame,
                                GError **error)
{
    g_autoptr(GError) cause = NULL;
    begin(connection, STALL_NS);
    bool is_done = eg_muxer_write(connection->muxer, media, frame, &cause);
    return complete(connection, is_done, cause, error);
}

static void stay(const EgStreamConnection *connection)
{
    const EgStreamUrl *url = connection->params->url;
    if (url->format != EG_FORMAT_TS)
        return;
    gint64 stay_ns = MAX(url->latency_ms * EG_NS_PER_MS, SRT_LATENCY_NS) + SRT_ROUND_NS;
    gint64 end_ns = eg_now_ns() + MIN(stay_ns, SRT_MAX_STAY_NS);
    while (!is_over((void *)connection) && eg_now_ns() < end_ns)
        g_usleep(SRT_STEP_NS / EG_NS_PER_US);
}

bool eg_stream_connection_finish(EgStreamConnection *connection, GError **error)
{
    g_autoptr(GError) cause = NULL;
    begin(connection, FINISH_NS);
    if (eg_muxer_flush(connection->muxer, NULL))
        stay(connection);
    bool is_done = eg_muxer_finish(connection->muxer, &cause);
    return complete(connection, is_done, cause, error);
}

guint64 eg_stream_connection_size_bytes(const EgStreamConnection *connection)
{
    return eg_muxer_size_bytes(connection->muxer);
}
