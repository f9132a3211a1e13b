/* The outputs of a request: where they are said in each kind, and what of it there is. */
#include "request/plan-private.h"

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "proto/redact.h"
#include "request/filename.h"
#include "request/invalid.h"
#include "request/stream-url.h"

/* What a browser shows and plays is there at once, if the machine has time for it. */
#define PAGE_LATENCY_NS (500 * EG_NS_PER_MS)

/* Of S3, the shortest of all stores. */
#define MAX_KEY_LENGTH 1024

/* Whoever listens to a stream would rather have a hole than hear it late. */
#define LIVE_LATENCY_NS (500 * EG_NS_PER_MS)

/* The message of a store that a oneof holds: in all of them, its members are nothing else. */
#define STORE_OF(message, member, which) ((which) > 0 ? &(message)->member->base : NULL)

static void add(EgPlanOutputs *outputs, const EgOutputRequest *request)
{
    g_array_append_val(outputs->requests, *request);
}

static void add_file(EgPlanOutputs *outputs, const EgOutputRequest *file)
{
    outputs->counts[EG_OUTPUT_FILE]++;
    add(outputs, file);
}

static void read_file(const Livekit__EncodedFileOutput *file, EgPlanOutputs *outputs)
{
    add_file(outputs, &(EgOutputRequest){
                          .kind = EG_OUTPUT_FILE,
                          .filepath = file->filepath,
                          .file_type = file->file_type,
                          .store = STORE_OF(file, s3, file->output_case),
                      });
}

static void read_segments(const Livekit__SegmentedFileOutput *segments,
                          const ProtobufCMessage *store, EgPlanOutputs *outputs)
{
    outputs->counts[EG_OUTPUT_SEGMENTS]++;
    if (store == NULL)
        store = STORE_OF(segments, s3, segments->output_case);
    add(outputs,
        &(EgOutputRequest){.kind = EG_OUTPUT_SEGMENTS, .segments = segments, .store = store});
}

static void read_images(const Livekit__ImageOutput *images, const ProtobufCMessage *store,
                        EgPlanOutputs *outputs)
{
    outputs->counts[EG_OUTPUT_IMAGES]++;
    if (store == NULL)
        store = STORE_OF(images, s3, images->output_case);
    add(outputs, &(EgOutputRequest){.kind = EG_OUTPUT_IMAGES, .images = images, .store = store});
}

/* By the URL where the protocol is left open. */
static Livekit__StreamProtocol protocol_of(const Livekit__StreamOutput *stream, const char *url)
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
    if (stream->protocol != LIVEKIT__STREAM_PROTOCOL__DEFAULT_PROTOCOL)
        return stream->protocol;
    for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        if (g_ascii_strncasecmp(url, prefixes[i].prefix, strlen(prefixes[i].prefix)) == 0)
            return prefixes[i].protocol;
    }
    return LIVEKIT__STREAM_PROTOCOL__DEFAULT_PROTOCOL;
}

static EgOutputKind stream_kind(Livekit__StreamProtocol protocol)
{
    switch (protocol) {
    case LIVEKIT__STREAM_PROTOCOL__RTMP:
    case LIVEKIT__STREAM_PROTOCOL__SRT:
        return EG_OUTPUT_STREAM;
    case LIVEKIT__STREAM_PROTOCOL__WEBSOCKET:
        return EG_OUTPUT_WEBSOCKET;
    case LIVEKIT__STREAM_PROTOCOL__DEFAULT_PROTOCOL:
    case _LIVEKIT__STREAM_PROTOCOL_IS_INT_SIZE:
    default:
        return EG_OUTPUT_NONE;
    }
}

static void add_stream(const Livekit__StreamOutput *stream, const char *url, const char *id,
                       EgPlanOutputs *outputs)
{
    Livekit__StreamProtocol protocol = protocol_of(stream, url);
    EgOutputKind kind = stream_kind(protocol);
    if (kind == EG_OUTPUT_NONE)
        outputs->problem = "stream protocol";
    for (guint i = 0; i < outputs->requests->len; i++) {
        const EgOutputRequest *other = &g_array_index(outputs->requests, EgOutputRequest, i);
        if (!eg_plan_is_empty(id) && g_strcmp0(other->id, id) == 0)
            outputs->problem = "stream id";
    }
    add(outputs, &(EgOutputRequest){.kind = kind, .url = url, .id = id, .protocol = protocol});
}

/* Each URL is an output of its own: what becomes of one is no matter of the others. */
static void read_stream(const Livekit__StreamOutput *stream, EgPlanOutputs *outputs)
{
    outputs->counts[EG_OUTPUT_STREAM]++;
    if (stream->n_urls + stream->n_destinations == 0)
        outputs->problem = "stream url";
    for (gsize i = 0; i < stream->n_urls; i++)
        add_stream(stream, stream->urls[i], NULL, outputs);
    for (gsize i = 0; i < stream->n_destinations; i++)
        add_stream(stream, stream->destinations[i]->url, stream->destinations[i]->id, outputs);
}

void eg_plan_read_lists(const EgPlanOutputLists *lists, EgPlanOutputs *outputs)
{
    for (gsize i = 0; i < lists->n_files; i++)
        read_file(lists->files[i], outputs);
    if (lists->n_files == 0 && lists->file != NULL)
        read_file(lists->file, outputs);
    for (gsize i = 0; i < lists->n_streams; i++)
        read_stream(lists->streams[i], outputs);
    if (lists->n_streams == 0 && lists->stream != NULL)
        read_stream(lists->stream, outputs);
    for (gsize i = 0; i < lists->n_segment_lists; i++)
        read_segments(lists->segment_lists[i], NULL, outputs);
    if (lists->n_segment_lists == 0 && lists->segments != NULL)
        read_segments(lists->segments, NULL, outputs);
    for (gsize i = 0; i < lists->n_images; i++)
        read_images(lists->images[i], NULL, outputs);
}

static const ProtobufCMessage *store_of(const Livekit__StorageConfig *storage)
{
    return storage != NULL ? STORE_OF(storage, s3, storage->provider_case) : NULL;
}

static void read_output(const Livekit__Output *output, const Livekit__StorageConfig *common,
                        EgPlanOutputs *outputs)
{
    const ProtobufCMessage *store = store_of(output->storage != NULL ? output->storage : common);
    switch (output->config_case) {
    case LIVEKIT__OUTPUT__CONFIG_FILE:
        add_file(outputs, &(EgOutputRequest){
                              .kind = EG_OUTPUT_FILE,
                              .filepath = output->file->filepath,
                              .file_type = output->file->file_type,
                              .store = store,
                          });
        break;
    case LIVEKIT__OUTPUT__CONFIG_STREAM:
        read_stream(output->stream, outputs);
        break;
    case LIVEKIT__OUTPUT__CONFIG_SEGMENTS:
        read_segments(output->segments, store, outputs);
        break;
    case LIVEKIT__OUTPUT__CONFIG_IMAGES:
        read_images(output->images, store, outputs);
        break;
    case LIVEKIT__OUTPUT__CONFIG__NOT_SET:
    case _LIVEKIT__OUTPUT__CONFIG__CASE_IS_INT_SIZE:
    default:
        outputs->counts[EG_OUTPUT_NONE]++;
    }
}

void eg_plan_read_outputs(const Livekit__StartEgressRequest *request, EgPlanOutputs *outputs)
{
    outputs->may_repeat = true;
    for (gsize i = 0; i < request->n_outputs; i++)
        read_output(request->outputs[i], request->storage, outputs);
}

void eg_plan_read_track(const Livekit__TrackEgressRequest *track, EgPlanOutputs *outputs)
{
    if (track->output_case == LIVEKIT__TRACK_EGRESS_REQUEST__OUTPUT_FILE) {
        add_file(outputs, &(EgOutputRequest){
                              .kind = EG_OUTPUT_FILE,
                              .filepath = track->file->filepath,
                              .store = STORE_OF(track->file, s3, track->file->output_case),
                          });
    } else if (track->output_case == LIVEKIT__TRACK_EGRESS_REQUEST__OUTPUT_WEBSOCKET_URL) {
        outputs->counts[EG_OUTPUT_STREAM]++;
        add(outputs, &(EgOutputRequest){.kind = EG_OUTPUT_WEBSOCKET, .url = track->websocket_url});
    }
}

/* The shape of what is asked for, before anything in it. */
static bool check_counts(const EgPlanOutputs *outputs, const EgPlan *plan, GError **error)
{
    static const struct {
        EgOutputKind kind;
        const char *field;
    } repeated[] = {
        {EG_OUTPUT_FILE,     "multiple file outputs"          },
        {EG_OUTPUT_STREAM,   "multiple stream outputs"        },
        {EG_OUTPUT_SEGMENTS, "multiple segmented file outputs"},
        {EG_OUTPUT_IMAGES,   "multiple image outputs"         },
    };
    const char *field = outputs->problem;
    for (gsize i = 0; i < G_N_ELEMENTS(repeated); i++) {
        if (outputs->counts[repeated[i].kind] > 1 && !outputs->may_repeat)
            field = repeated[i].field;
    }
    if (outputs->counts[EG_OUTPUT_NONE] > 0)
        field = "output config";
    else if (outputs->counts[EG_OUTPUT_IMAGES] > 0 &&
             !eg_selection_has(&plan->selection, EG_MEDIA_VIDEO))
        field = "audio_only images";
    else if (outputs->requests->len == 0 && field == NULL)
        field = "output";
    if (field == NULL)
        return true;
    eg_request_invalid(error, field, NULL);
    return false;
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
static bool check_retry(const char *field, const char *template, guint retry_count, GError **error)
{
    if (retry_count == 0 || *template == '\0' || g_str_has_suffix(template, "/") ||
        strstr(template, "{retry}") != NULL)
        return true;
    eg_error_set(error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_REQUEST,
                 "output configuration does not support retry: %s needs {retry}", field);
    return false;
}

/* Beside the prefix that comes in front. */
static bool check_key(const char *field, const char *key, const EgStorage *storage, GError **error)
{
    gsize prefix_length = storage->prefix != NULL ? strlen(storage->prefix) + 1 : 0;
    if (strlen(key) + prefix_length <= MAX_KEY_LENGTH)
        return true;
    eg_request_invalid(error, field, "is too long: with its prefix it may have %d bytes",
                       MAX_KEY_LENGTH);
    return false;
}

static char *make_path(const EgConfig *config, const char *template)
{
    bool has_prefix = config->storage != NULL && config->storage->kind == EG_STORE_LOCAL &&
                      config->storage->prefix != NULL;
    g_autofree char *path =
        has_prefix ? under_root(config->storage->prefix, template) : g_strdup(template);
    return config->local_root != NULL ? under_root(config->local_root, path)
                                      : g_steal_pointer(&path);
}

char *eg_plan_settle_template(const char *field, const char *template, const EgStorage *storage,
                              const EgConfig *config, const EgPlan *plan, GError **error)
{
    if (template == NULL)
        template = "";
    if (!check_retry(field, template, plan->retry_count, error) ||
        !eg_filename_check_field(template, field, error))
        return NULL;
    if (storage != NULL) {
        const char *key = template + strspn(template, "/");
        return check_key(field, key, storage, error) ? g_strdup(key) : NULL;
    }
    g_autofree char *path = make_path(config, template);
    return eg_filename_check_field(path, field, error) ? g_steal_pointer(&path) : NULL;
}

static const struct {
    Livekit__EncodedFileType type;
    EgFormat format;
} file_types[] = {
    {LIVEKIT__ENCODED_FILE_TYPE__DEFAULT_FILETYPE, EG_FORMAT_NONE},
    {LIVEKIT__ENCODED_FILE_TYPE__MP4,              EG_FORMAT_MP4 },
    {LIVEKIT__ENCODED_FILE_TYPE__OGG,              EG_FORMAT_OGG },
    {LIVEKIT__ENCODED_FILE_TYPE__MP3,              EG_FORMAT_MP3 },
};

static bool find_file_type(Livekit__EncodedFileType type, EgFormat *format, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(file_types); i++) {
        if (file_types[i].type == type) {
            *format = file_types[i].format;
            return true;
        }
    }
    eg_request_invalid(error, "file_type", "%d is none", (int)type);
    return false;
}

/* No codec would choose it, but whoever names it can have whatever is sent in it. */
static bool holds_any(EgFormat format)
{
    return !eg_format_is_chosen(format) && eg_format_holds_sent(format, EG_MEDIA_AUDIO) &&
           eg_format_holds_sent(format, EG_MEDIA_VIDEO);
}

static bool settle_file(const EgOutputRequest *request, const EgPlanDraft *draft,
                        const EgConfig *config, const EgPlan *plan, EgOutput *output,
                        GError **error)
{
    output->path_template = eg_plan_settle_template("filepath", request->filepath, output->storage,
                                                    config, plan, error);
    if (output->path_template == NULL ||
        !find_file_type(request->file_type, &output->format, error))
        return false;
    EgFormat named = eg_format_from_filename(output->path_template);
    if (output->format == EG_FORMAT_NONE && (!draft->encoding.is_by_codec || holds_any(named)))
        output->format = named;
    return true;
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

static bool settle_websocket(const EgOutputRequest *request, const EgPlanDraft *draft,
                             const EgConfig *config, const EgPlan *plan, EgOutput *output,
                             GError **error)
{
    (void)draft;
    (void)config;
    (void)plan;
    output->url = g_strdup(request->url);
    output->id = eg_plan_is_empty(request->id) ? NULL : g_strdup(request->id);
    output->format = EG_FORMAT_RAW;
    return check_websocket_url(request->url, error);
}

static bool settle_stream(const EgOutputRequest *request, const EgPlanDraft *draft,
                          const EgConfig *config, const EgPlan *plan, EgOutput *output,
                          GError **error)
{
    (void)draft;
    (void)config;
    g_autoptr(EgStreamUrl) url = eg_stream_url_parse(request->url, error);
    if (url == NULL)
        return false;
    bool is_srt = request->protocol == LIVEKIT__STREAM_PROTOCOL__SRT;
    if (is_srt != (url->format == EG_FORMAT_TS)) {
        g_autofree char *shown = eg_redact_url(request->url);
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "invalid url %s: invalid scheme; it must be %s", shown,
                     is_srt ? "srt" : "rtmp, rtmps, mux or twitch");
        return false;
    }
    for (guint i = 0; i < url->ignored->len; i++)
        g_ptr_array_add(plan->warnings,
                        g_strdup_printf("the option %s of an SRT URL is not known and left out",
                                        (const char *)url->ignored->pdata[i]));
    output->url = g_strdup(request->url);
    output->id = eg_plan_is_empty(request->id) ? NULL : g_strdup(request->id);
    output->format = url->format;
    return true;
}

/* By EgOutputKind. */
static const struct {
    bool (*settle)(const EgOutputRequest *request, const EgPlanDraft *draft, const EgConfig *config,
                   const EgPlan *plan, EgOutput *output, GError **error);
    gsize limit;  /* offset in EgLimitConfig of how long it may become */
    bool is_live; /* goes to a URL, and to no store */
} rows[EG_N_OUTPUTS] = {
    [EG_OUTPUT_FILE] = {settle_file,             offsetof(EgLimitConfig, file_duration_ns),    false},
    [EG_OUTPUT_SEGMENTS] = {eg_plan_settle_segments, offsetof(EgLimitConfig, segment_duration_ns),
                        false                                                                       },
    [EG_OUTPUT_STREAM] = {settle_stream,           offsetof(EgLimitConfig, stream_duration_ns),  true },
    [EG_OUTPUT_WEBSOCKET] = {settle_websocket,        offsetof(EgLimitConfig, stream_duration_ns),  true },
    [EG_OUTPUT_IMAGES] = {eg_plan_settle_images,   offsetof(EgLimitConfig, image_duration_ns),   false},
};

/* The shortest of all. */
static void settle_limit(EgOutputKind kind, const EgLimitConfig *limits, EgPlan *plan)
{
    gint64 limit_ns = G_STRUCT_MEMBER(gint64, limits, rows[kind].limit);
    if (limit_ns > 0 && (plan->limit_duration_ns == 0 || limit_ns < plan->limit_duration_ns))
        plan->limit_duration_ns = limit_ns;
    if (kind == EG_OUTPUT_FILE)
        plan->limit_size_bytes = limits->file_size_bytes;
}

bool eg_plan_settle_outputs(const EgPlanDraft *draft, const EgConfig *config, EgPlan *plan,
                            GError **error)
{
    const GArray *requests = draft->outputs.requests;
    if (!check_counts(&draft->outputs, plan, error))
        return false;
    plan->latency_ns = config->latency_ns;
    plan->n_outputs = requests->len;
    plan->outputs = g_new0(EgOutput, plan->n_outputs);
    for (guint i = 0; i < plan->n_outputs; i++) {
        const EgOutputRequest *request = &g_array_index(requests, EgOutputRequest, i);
        EgOutput *output = &plan->outputs[i];
        output->kind = request->kind;
        if ((!rows[request->kind].is_live &&
             !eg_plan_settle_storage(request->store, config, output, error)) ||
            !rows[request->kind].settle(request, draft, config, plan, output, error))
            return false;
        settle_limit(request->kind, &config->limits, plan);
        if (rows[request->kind].is_live)
            plan->latency_ns = MIN(plan->latency_ns, LIVE_LATENCY_NS);
    }
    if (plan->source == EG_SOURCE_PAGE)
        plan->latency_ns = MIN(plan->latency_ns, PAGE_LATENCY_NS);
    return true;
}
