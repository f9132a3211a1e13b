/* The outputs of a request: where they are said in each kind, and what of it there is. */
#include "request/plan-private.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "proto/redact.h"
#include "request/filename.h"
#include "request/invalid.h"

/* What a browser shows and plays is there at once, if the machine has time for it. */
#define PAGE_LATENCY_NS (500 * EG_NS_PER_MS)

/* Whoever listens to a stream would rather have a hole than hear it late. */
#define LIVE_LATENCY_NS (500 * EG_NS_PER_MS)

/* The name of the member that a oneof holds, by its number; NULL for none. */
static const char *member_name(const ProtobufCMessage *message, int number)
{
    const ProtobufCFieldDescriptor *field =
        number > 0
            ? protobuf_c_message_descriptor_get_field(message->descriptor, (unsigned int)number)
            : NULL;
    return field != NULL ? field->name : NULL;
}

static void read_file(const Livekit__EncodedFileOutput *file, EgPlanOutputs *outputs)
{
    outputs->filepath = file->filepath;
    outputs->file_type = file->file_type;
    outputs->storage = member_name(&file->base, (int)file->output_case);
}

void eg_plan_read_lists(const EgPlanOutputLists *lists, EgPlanOutputs *outputs)
{
    const Livekit__EncodedFileOutput *file = lists->n_files > 0 ? lists->files[0] : lists->file;
    outputs->n_files = (guint)MAX(lists->n_files, lists->file != NULL ? 1 : 0);
    if (file != NULL)
        read_file(file, outputs);
    outputs->stream = lists->n_streams > 0 ? lists->streams[0] : lists->stream;
    outputs->n_streams = (guint)MAX(lists->n_streams, lists->stream != NULL ? 1 : 0);
    outputs->n_segments = (guint)lists->n_segments;
    outputs->n_images = (guint)lists->n_images;
}

static const char *storage_of(const Livekit__StorageConfig *storage)
{
    return storage != NULL ? member_name(&storage->base, (int)storage->provider_case) : NULL;
}

static void read_output(const Livekit__Output *output, const Livekit__StorageConfig *storage,
                        EgPlanOutputs *outputs)
{
    switch (output->config_case) {
    case LIVEKIT__OUTPUT__CONFIG_FILE:
        outputs->n_files++;
        outputs->filepath = output->file->filepath;
        outputs->file_type = output->file->file_type;
        outputs->storage = storage_of(output->storage != NULL ? output->storage : storage);
        break;
    case LIVEKIT__OUTPUT__CONFIG_STREAM:
        outputs->n_streams++;
        outputs->stream = output->stream;
        break;
    case LIVEKIT__OUTPUT__CONFIG_SEGMENTS:
        outputs->n_segments++;
        break;
    case LIVEKIT__OUTPUT__CONFIG_IMAGES:
        outputs->n_images++;
        break;
    case LIVEKIT__OUTPUT__CONFIG__NOT_SET:
    case _LIVEKIT__OUTPUT__CONFIG__CASE_IS_INT_SIZE:
    default:
        outputs->has_unknown = true;
    }
}

void eg_plan_read_outputs(const Livekit__StartEgressRequest *request, EgPlanOutputs *outputs)
{
    for (gsize i = 0; i < request->n_outputs; i++)
        read_output(request->outputs[i], request->storage, outputs);
}

void eg_plan_read_track(const Livekit__TrackEgressRequest *track, EgPlanOutputs *outputs)
{
    if (track->output_case == LIVEKIT__TRACK_EGRESS_REQUEST__OUTPUT_FILE) {
        outputs->n_files = 1;
        outputs->filepath = track->file->filepath;
        outputs->storage = member_name(&track->file->base, (int)track->file->output_case);
    } else if (track->output_case == LIVEKIT__TRACK_EGRESS_REQUEST__OUTPUT_WEBSOCKET_URL) {
        outputs->n_streams = 1;
        outputs->websocket_url = track->websocket_url;
    }
}

/* The shape of what is asked for, before anything in it. */
static bool check_counts(const EgPlanOutputs *outputs, const EgPlan *plan, GError **error)
{
    const char *field = NULL;
    if (outputs->has_unknown)
        field = "output config";
    else if (outputs->n_files > 1)
        field = "multiple file outputs";
    else if (outputs->n_streams > 1)
        field = "multiple stream outputs";
    else if (outputs->n_segments > 1)
        field = "multiple segmented file outputs";
    else if (outputs->n_images > 0 && !eg_selection_has(&plan->selection, EG_MEDIA_VIDEO))
        field = "audio_only images";
    else if (outputs->n_files + outputs->n_streams + outputs->n_segments + outputs->n_images == 0)
        field = "output";
    if (field == NULL)
        return true;
    eg_request_invalid(error, field, NULL);
    return false;
}

static bool check_implemented(const EgPlanOutputs *outputs, GError **error)
{
    const char *text = NULL;
    if (outputs->n_segments > 0)
        text = "segments: they are not possible yet; a file is";
    else if (outputs->n_images > 0)
        text = "images: they are not possible yet; a file is";
    else if (outputs->n_files + outputs->n_streams > 1)
        text = "output: several at once are not possible yet; one is";
    if (text != NULL)
        eg_request_unimplemented(error, text);
    return text == NULL;
}

/* A path as the service's own folder has it: absolute ones are in it, too. */
static char *under_root(const char *root, const char *template)
{
    gsize length = strlen(root);
    while (length > 0 && root[length - 1] == '/')
        length--;
    while (*template == '/')
        template ++;
    return g_strdup_printf("%.*s/%s", (int)length, root, template);
}

/* A retry must not write over what the try before it has left. */
static bool check_retry(const char *template, guint retry_count, GError **error)
{
    if (retry_count == 0 || *template == '\0' || g_str_has_suffix(template, "/") ||
        strstr(template, "{retry}") != NULL)
        return true;
    eg_error_set(error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_REQUEST,
                 "output configuration does not support retry: filepath needs {retry}");
    return false;
}

static bool settle_file(const EgPlanOutputs *requested, const EgConfig *config, EgPlan *plan,
                        GError **error)
{
    const char *template = requested->filepath != NULL ? requested->filepath : "";
    if (!check_retry(template, plan->retry_count, error) || !eg_filename_check(template, error))
        return false;
    if (requested->storage != NULL) {
        eg_error_set(error, EG_ERROR_UNIMPLEMENTED, EG_BLAME_REQUEST,
                     "%s: uploads are not possible yet; leave it out to write to the service's "
                     "disk",
                     requested->storage);
        return false;
    }
    if (config->disallow_local_storage) {
        eg_request_invalid(error, "output",
                           "a file without storage: this service does not write to its own disk");
        return false;
    }
    EgOutput *output = &plan->outputs[0];
    output->kind = EG_OUTPUT_FILE;
    output->path_template =
        config->local_root != NULL ? under_root(config->local_root, template) : g_strdup(template);
    plan->limit_duration_ns = config->limits.file_duration_ns;
    plan->latency_ns = config->latency_ns;
    plan->limit_size_bytes = config->limits.file_size_bytes;
    return config->local_root == NULL || eg_filename_check(output->path_template, error);
}

/* RTMP and SRT are known by their URLs where the protocol is left open. */
static Livekit__StreamProtocol protocol_of(const Livekit__StreamOutput *stream)
{
    static const struct {
        const char *prefix;
        Livekit__StreamProtocol protocol;
    } prefixes[] = {
        {"rtmp://",   LIVEKIT__STREAM_PROTOCOL__RTMP     },
        {"rtmps://",  LIVEKIT__STREAM_PROTOCOL__RTMP     },
        {"mux://",    LIVEKIT__STREAM_PROTOCOL__RTMP     },
        {"twitch://", LIVEKIT__STREAM_PROTOCOL__RTMP     },
        {"srt://",    LIVEKIT__STREAM_PROTOCOL__SRT      },
        {"ws://",     LIVEKIT__STREAM_PROTOCOL__WEBSOCKET},
        {"wss://",    LIVEKIT__STREAM_PROTOCOL__WEBSOCKET},
    };
    if (stream->protocol != LIVEKIT__STREAM_PROTOCOL__DEFAULT_PROTOCOL || stream->n_urls == 0)
        return stream->protocol;
    for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        if (g_ascii_strncasecmp(stream->urls[0], prefixes[i].prefix, strlen(prefixes[i].prefix)) ==
            0)
            return prefixes[i].protocol;
    }
    return LIVEKIT__STREAM_PROTOCOL__DEFAULT_PROTOCOL;
}

/* The URL of the one WebSocket that a stream output asks for; NULL and an error. */
static const char *websocket_url_of(const Livekit__StreamOutput *stream, GError **error)
{
    switch (protocol_of(stream)) {
    case LIVEKIT__STREAM_PROTOCOL__WEBSOCKET:
        if (stream->n_urls == 1)
            return stream->urls[0];
        if (stream->n_urls == 0)
            eg_request_invalid(error, "stream url", NULL);
        else
            eg_request_unimplemented(error,
                                     "stream: several WebSockets are not possible yet; one is");
        return NULL;
    case LIVEKIT__STREAM_PROTOCOL__RTMP:
    case LIVEKIT__STREAM_PROTOCOL__SRT:
        eg_request_unimplemented(error,
                                 "stream: RTMP and SRT are not possible yet; a file is, and sound "
                                 "to a WebSocket");
        return NULL;
    case LIVEKIT__STREAM_PROTOCOL__DEFAULT_PROTOCOL:
    case _LIVEKIT__STREAM_PROTOCOL_IS_INT_SIZE:
    default:
        eg_request_invalid(error, stream->n_urls > 0 ? "stream protocol" : "stream url", NULL);
        return NULL;
    }
}

static bool check_websocket_url(const char *url, GError **error)
{
    static const char *const schemes[] = {"ws", "wss", NULL};
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED, NULL);
    const char *reason = NULL;
    if (uri == NULL)
        reason = "it is written wss://host/path";
    else if (!g_strv_contains(schemes, g_uri_get_scheme(uri)))
        reason = "invalid scheme; it must be ws or wss";
    else if (eg_plan_is_empty(g_uri_get_host(uri)))
        reason = "it has no host";
    if (reason == NULL)
        return true;
    /* What is told goes into logs, too. */
    g_autofree char *shown = eg_redact_url(url);
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, "invalid url %s: %s", shown,
                 reason);
    return false;
}

static bool settle_stream(const EgPlanOutputs *requested, const EgConfig *config, EgPlan *plan,
                          GError **error)
{
    const char *url = requested->stream != NULL ? websocket_url_of(requested->stream, error)
                                                : requested->websocket_url;
    if (url == NULL || !check_websocket_url(url, error))
        return false;
    plan->outputs[0].kind = EG_OUTPUT_WEBSOCKET;
    plan->outputs[0].url = g_strdup(url);
    plan->limit_duration_ns = config->limits.stream_duration_ns;
    plan->latency_ns = MIN(config->latency_ns, LIVE_LATENCY_NS);
    return true;
}

bool eg_plan_settle_outputs(const EgPlanOutputs *requested, const EgConfig *config, EgPlan *plan,
                            GError **error)
{
    if (!check_counts(requested, plan, error) || !check_implemented(requested, error))
        return false;
    plan->n_outputs = 1;
    plan->outputs = g_new0(EgOutput, 1);
    if (!(requested->n_files > 0 ? settle_file(requested, config, plan, error)
                                 : settle_stream(requested, config, plan, error)))
        return false;
    if (plan->source == EG_SOURCE_PAGE)
        plan->latency_ns = MIN(plan->latency_ns, PAGE_LATENCY_NS);
    return true;
}
