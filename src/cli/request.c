#include "cli/request.h"

#include <string.h>

#include "base/error.h"
#include "base/id.h"
#include "base/time.h"
#include "cli/request-encoding.h"
#include "cli/store-url.h"
#include "proto/message.h"
#include "request/filename.h"
#include "request/format.h"

/* Somebody who writes one of these wants that, and not its name before ".mp4". */
static const char *const foreign_extensions[] = {
    ".mov", ".avi", ".flv", ".ts", ".m4a", ".aac", ".m4v", ".ogv", ".opus", ".flac", ".gif",
};

G_GNUC_PRINTF(2, 3)
static void set_usage(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, "%s", text);
}

static const char *const image_extensions[] = {".jpg", ".jpeg", ".png", ".webp"};

static bool has_extension(const char *output, const char *extension)
{
    gsize length = strlen(output);
    gsize extension_length = strlen(extension);
    return length > extension_length &&
           g_ascii_strcasecmp(output + length - extension_length, extension) == 0;
}

/* A path as one writes it in a shell; requests know no "..". */
static char *make_path(const char *output)
{
    g_auto(GStrv) elements = g_strsplit(output, "/", -1);
    if (!g_strv_contains((const char *const *)elements, ".."))
        return g_strdup(output);
    g_autofree char *path = g_canonicalize_filename(output, NULL);
    bool is_folder = g_str_has_suffix(output, "/") || g_str_has_suffix(output, "..");
    return g_strconcat(path, is_folder ? "/" : "", NULL);
}

static bool check_filepath(const char *output, GError **error)
{
    if (strcmp(output, "-") == 0) {
        set_usage(error, "--output: a recording cannot go to standard output, only into a file");
        return false;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(foreign_extensions); i++) {
        if (has_extension(output, foreign_extensions[i])) {
            set_usage(error,
                      "--output: there is no format %s; there are .mp4, .webm, .mkv, .ogg, .mp3 "
                      "and .wav, .m3u8 for segments, and .jpg, .png and .webp for images",
                      foreign_extensions[i]);
            return false;
        }
    }
    return true;
}

typedef struct {
    char *path;              /* NULL: there is no such output */
    ProtobufCMessage *store; /* that it is in; NULL: this machine */
} Place;

/* Where it goes: at least one of all. */
typedef struct {
    Place file;
    Place playlist;
    Place images;
    GPtrArray *urls; /* char * */
    guint image_interval_s;
    bool has_manifest;
} Outputs;

static void clear_outputs(Outputs *outputs)
{
    Place *const places[] = {&outputs->file, &outputs->playlist, &outputs->images};
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        g_free(places[i]->path);
        eg_proto_free(places[i]->store);
    }
    g_clear_pointer(&outputs->urls, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Outputs, clear_outputs)

/* All outputs have the same stores, each with numbers of its own. */
static void set_store(ProtobufCMessage *output, const Place *place)
{
    for (guint i = 0; place->store != NULL && i < output->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &output->descriptor->fields[i];
        if (field->descriptor != place->store->descriptor)
            continue;
        G_STRUCT_MEMBER(guint32, output, field->quantifier_offset) = field->id;
        G_STRUCT_MEMBER(ProtobufCMessage *, output, field->offset) = eg_proto_copy(place->store);
    }
}

static Livekit__EncodedFileOutput **make_files(const Outputs *outputs, gsize *n_files)
{
    if (outputs->file.path == NULL)
        return NULL;
    Livekit__EncodedFileOutput *file = g_new(Livekit__EncodedFileOutput, 1);
    livekit__encoded_file_output__init(file);
    file->filepath = g_strdup(outputs->file.path);
    file->disable_manifest = !outputs->has_manifest;
    set_store(&file->base, &outputs->file);
    Livekit__EncodedFileOutput **files = g_new(Livekit__EncodedFileOutput *, 1);
    files[0] = file;
    *n_files = 1;
    return files;
}

static Livekit__StreamOutput **make_streams(const Outputs *outputs, gsize *n_streams)
{
    gsize n_urls = outputs->urls->len;
    if (n_urls == 0)
        return NULL;
    Livekit__StreamOutput *stream = g_new(Livekit__StreamOutput, 1);
    livekit__stream_output__init(stream);
    stream->n_urls = n_urls;
    stream->urls = g_new(char *, n_urls);
    for (gsize i = 0; i < n_urls; i++)
        stream->urls[i] = g_strdup(outputs->urls->pdata[i]);
    Livekit__StreamOutput **streams = g_new(Livekit__StreamOutput *, 1);
    streams[0] = stream;
    *n_streams = 1;
    return streams;
}

static Livekit__SegmentedFileOutput **make_segments(const Outputs *outputs, gsize *n_segments)
{
    if (outputs->playlist.path == NULL)
        return NULL;
    Livekit__SegmentedFileOutput *segments = g_new(Livekit__SegmentedFileOutput, 1);
    livekit__segmented_file_output__init(segments);
    segments->playlist_name = g_strdup(outputs->playlist.path);
    segments->disable_manifest = !outputs->has_manifest;
    set_store(&segments->base, &outputs->playlist);
    Livekit__SegmentedFileOutput **list = g_new(Livekit__SegmentedFileOutput *, 1);
    list[0] = segments;
    *n_segments = 1;
    return list;
}

/* A name without a number is of one file, which is replaced. */
static Livekit__ImageOutput **make_images(const Outputs *outputs, gsize *n_images)
{
    if (outputs->images.path == NULL)
        return NULL;
    Livekit__ImageOutput *images = g_new(Livekit__ImageOutput, 1);
    livekit__image_output__init(images);
    images->filename_prefix = g_strdup(outputs->images.path);
    images->disable_manifest = !outputs->has_manifest;
    set_store(&images->base, &outputs->images);
    images->capture_interval = outputs->image_interval_s;
    images->filename_suffix = strstr(outputs->images.path, EG_FILENAME_INDEX ".") != NULL
                                  ? LIVEKIT__IMAGE_FILE_SUFFIX__IMAGE_SUFFIX_INDEX
                                  : LIVEKIT__IMAGE_FILE_SUFFIX__IMAGE_SUFFIX_NONE_OVERWRITE;
    Livekit__ImageOutput **list = g_new(Livekit__ImageOutput *, 1);
    list[0] = images;
    *n_images = 1;
    return list;
}

/* Where an output of its kind is kept; by the extension. */
static Place *find_place(const char *output, Outputs *outputs)
{
    if (has_extension(output, EG_PLAYLIST_EXTENSION))
        return &outputs->playlist;
    for (gsize i = 0; i < G_N_ELEMENTS(image_extensions); i++) {
        if (has_extension(output, image_extensions[i]))
            return &outputs->images;
    }
    return &outputs->file;
}

static bool add_output(const char *output, Outputs *outputs, GError **error)
{
    bool is_stored = eg_store_url_is(output);
    if (strstr(output, "://") != NULL && !is_stored) {
        g_ptr_array_add(outputs->urls, g_strdup(output));
        return true;
    }
    g_autofree char *key = NULL;
    g_autoptr(ProtobufCMessage) store = NULL;
    if (is_stored && !eg_store_url_parse(output, &key, &store, error))
        return false;
    const char *name = is_stored ? key : output;
    Place *place = find_place(name, outputs);
    if (place->path != NULL) {
        set_usage(error, "--output: there can be several streams, but one file, one playlist and "
                         "one series of images");
        return false;
    }
    if (place == &outputs->file && !check_filepath(name, error))
        return false;
    place->path = is_stored ? g_strdup(name) : make_path(name);
    place->store = g_steal_pointer(&store);
    return true;
}

static bool parse_image_interval(const EgRecordArguments *a, Outputs *outputs, GError **error)
{
    gint64 interval_ns = 0;
    if (a->image_interval == NULL)
        return true;
    if (outputs->images.path == NULL) {
        set_usage(error, "--image-interval goes with images, as in -o 'shots/%%05d.jpg'");
        return false;
    }
    if (!eg_duration_parse(a->image_interval, &interval_ns) || interval_ns <= 0 ||
        interval_ns % EG_NS_PER_S != 0) {
        set_usage(error,
                  "--image-interval: %s is no number of whole seconds; it is written 10s or "
                  "5m",
                  a->image_interval);
        return false;
    }
    outputs->image_interval_s = (guint)(interval_ns / EG_NS_PER_S);
    return true;
}

/* With none there is a file that is named by what is recorded. */
static bool parse_outputs(const EgRecordArguments *a, Outputs *outputs, GError **error)
{
    outputs->urls = g_ptr_array_new_with_free_func(g_free);
    outputs->has_manifest = a->has_manifest;
    if (a->outputs == NULL)
        return add_output("", outputs, error);
    for (char **output = a->outputs; *output != NULL; output++) {
        if (!add_output(*output, outputs, error))
            return false;
    }
    if (!parse_image_interval(a, outputs, error))
        return false;
    bool is_single = outputs->urls->len + (outputs->file.path != NULL) == 1 &&
                     outputs->playlist.path == NULL && outputs->images.path == NULL;
    if (a->track == NULL || is_single)
        return true;
    set_usage(error, "--track goes into one file, or to one WebSocket");
    return false;
}

static char *dup_room(const EgRecordArguments *a)
{
    return g_strdup(a->room != NULL ? a->room : "");
}

static void fill_participant(Rpc__StartEgressRequest *request, const EgRecordArguments *a,
                             const Outputs *outputs, const EgRecordEncoding *encoding)
{
    Livekit__ParticipantEgressRequest *participant = g_new(Livekit__ParticipantEgressRequest, 1);
    livekit__participant_egress_request__init(participant);
    participant->room_name = dup_room(a);
    participant->identity = g_strdup(a->participant);
    participant->screen_share = a->is_screen_share;
    participant->file_outputs = make_files(outputs, &participant->n_file_outputs);
    participant->stream_outputs = make_streams(outputs, &participant->n_stream_outputs);
    participant->segment_outputs = make_segments(outputs, &participant->n_segment_outputs);
    participant->image_outputs = make_images(outputs, &participant->n_image_outputs);
    if (encoding->has_preset) {
        participant->options_case = LIVEKIT__PARTICIPANT_EGRESS_REQUEST__OPTIONS_PRESET;
        participant->preset = encoding->preset;
    } else if (encoding->advanced != NULL) {
        participant->options_case = LIVEKIT__PARTICIPANT_EGRESS_REQUEST__OPTIONS_ADVANCED;
        participant->advanced = encoding->advanced;
    }
    request->request_case = RPC__START_EGRESS_REQUEST__REQUEST_PARTICIPANT;
    request->participant = participant;
}

static void fill_track_composite(Rpc__StartEgressRequest *request, const EgRecordArguments *a,
                                 const Outputs *outputs, const EgRecordEncoding *encoding)
{
    Livekit__TrackCompositeEgressRequest *composite =
        g_new(Livekit__TrackCompositeEgressRequest, 1);
    livekit__track_composite_egress_request__init(composite);
    composite->room_name = dup_room(a);
    composite->audio_track_id = g_strdup(a->audio_track != NULL ? a->audio_track : "");
    composite->video_track_id = g_strdup(a->video_track != NULL ? a->video_track : "");
    composite->file_outputs = make_files(outputs, &composite->n_file_outputs);
    composite->stream_outputs = make_streams(outputs, &composite->n_stream_outputs);
    composite->segment_outputs = make_segments(outputs, &composite->n_segment_outputs);
    composite->image_outputs = make_images(outputs, &composite->n_image_outputs);
    if (encoding->has_preset) {
        composite->options_case = LIVEKIT__TRACK_COMPOSITE_EGRESS_REQUEST__OPTIONS_PRESET;
        composite->preset = encoding->preset;
    } else if (encoding->advanced != NULL) {
        composite->options_case = LIVEKIT__TRACK_COMPOSITE_EGRESS_REQUEST__OPTIONS_ADVANCED;
        composite->advanced = encoding->advanced;
    }
    request->request_case = RPC__START_EGRESS_REQUEST__REQUEST_TRACK_COMPOSITE;
    request->track_composite = composite;
}

static void fill_track(Rpc__StartEgressRequest *request, const EgRecordArguments *a,
                       const Outputs *outputs, const EgRecordEncoding *encoding)
{
    (void)encoding; /* eg_record_encoding_parse() has seen that there is none */
    Livekit__TrackEgressRequest *track = g_new(Livekit__TrackEgressRequest, 1);
    livekit__track_egress_request__init(track);
    track->room_name = dup_room(a);
    track->track_id = g_strdup(a->track);
    if (outputs->file.path == NULL) {
        track->output_case = LIVEKIT__TRACK_EGRESS_REQUEST__OUTPUT_WEBSOCKET_URL;
        track->websocket_url = g_strdup(outputs->urls->pdata[0]);
    } else {
        track->output_case = LIVEKIT__TRACK_EGRESS_REQUEST__OUTPUT_FILE;
        track->file = g_new(Livekit__DirectFileOutput, 1);
        livekit__direct_file_output__init(track->file);
        track->file->filepath = g_strdup(outputs->file.path);
        track->file->disable_manifest = !outputs->has_manifest;
        set_store(&track->file->base, &outputs->file);
    }
    request->request_case = RPC__START_EGRESS_REQUEST__REQUEST_TRACK;
    request->track = track;
}

/* Into a format without pictures goes the sound alone, if there is nothing else. */
static bool is_sound_only(const Outputs *outputs)
{
    const char *filepath = outputs->file.path;
    EgFormat format = filepath != NULL ? eg_format_from_filename(filepath) : EG_FORMAT_NONE;
    return outputs->playlist.path == NULL && outputs->images.path == NULL &&
           format != EG_FORMAT_NONE &&
           eg_format_default_codec(format, EG_MEDIA_VIDEO) == EG_CODEC_NONE;
}

static void fill_room(Rpc__StartEgressRequest *request, const EgRecordArguments *a,
                      const Outputs *outputs, const EgRecordEncoding *encoding)
{
    Livekit__RoomCompositeEgressRequest *composite = g_new(Livekit__RoomCompositeEgressRequest, 1);
    livekit__room_composite_egress_request__init(composite);
    composite->room_name = dup_room(a);
    composite->layout = g_strdup(a->layout != NULL ? a->layout : "");
    composite->custom_base_url = g_strdup(a->template_url != NULL ? a->template_url : "");
    composite->audio_only = is_sound_only(outputs);
    composite->file_outputs = make_files(outputs, &composite->n_file_outputs);
    composite->stream_outputs = make_streams(outputs, &composite->n_stream_outputs);
    composite->segment_outputs = make_segments(outputs, &composite->n_segment_outputs);
    composite->image_outputs = make_images(outputs, &composite->n_image_outputs);
    if (encoding->has_preset) {
        composite->options_case = LIVEKIT__ROOM_COMPOSITE_EGRESS_REQUEST__OPTIONS_PRESET;
        composite->preset = encoding->preset;
    } else if (encoding->advanced != NULL) {
        composite->options_case = LIVEKIT__ROOM_COMPOSITE_EGRESS_REQUEST__OPTIONS_ADVANCED;
        composite->advanced = encoding->advanced;
    }
    request->request_case = RPC__START_EGRESS_REQUEST__REQUEST_ROOM_COMPOSITE;
    request->room_composite = composite;
}

static void fill_web(Rpc__StartEgressRequest *request, const EgRecordArguments *a,
                     const Outputs *outputs, const EgRecordEncoding *encoding)
{
    Livekit__WebEgressRequest *web = g_new(Livekit__WebEgressRequest, 1);
    livekit__web_egress_request__init(web);
    web->url = g_strdup(a->web);
    web->audio_only = is_sound_only(outputs);
    web->await_start_signal = a->awaits_signal;
    web->file_outputs = make_files(outputs, &web->n_file_outputs);
    web->stream_outputs = make_streams(outputs, &web->n_stream_outputs);
    web->segment_outputs = make_segments(outputs, &web->n_segment_outputs);
    web->image_outputs = make_images(outputs, &web->n_image_outputs);
    if (encoding->has_preset) {
        web->options_case = LIVEKIT__WEB_EGRESS_REQUEST__OPTIONS_PRESET;
        web->preset = encoding->preset;
    } else if (encoding->advanced != NULL) {
        web->options_case = LIVEKIT__WEB_EGRESS_REQUEST__OPTIONS_ADVANCED;
        web->advanced = encoding->advanced;
    }
    request->request_case = RPC__START_EGRESS_REQUEST__REQUEST_WEB;
    request->web = web;
}

typedef void (*FillFunc)(Rpc__StartEgressRequest *request, const EgRecordArguments *a,
                         const Outputs *outputs, const EgRecordEncoding *encoding);

/* Options that make sense with one of those that say what is recorded. */
static bool check_companions(const EgRecordArguments *a, bool is_room, GError **error)
{
    const char *problem = NULL;
    if (a->is_screen_share && a->participant == NULL)
        problem = "--screen-share goes with --participant only";
    else if (a->awaits_signal && a->web == NULL)
        problem =
            "--await-start-signal goes with --web only; templates of rooms always are awaited";
    else if ((a->layout != NULL || a->template_url != NULL) && !is_room)
        problem = "--layout and --template are for whole rooms: they go with neither --web, "
                  "--participant nor tracks";
    if (problem != NULL)
        set_usage(error, "%s", problem);
    return problem == NULL;
}

/* By which of the options that say what is recorded is given; with none, the whole room is. */
static FillFunc choose_kind(const EgRecordArguments *a, GError **error)
{
    const struct {
        bool is_given;
        FillFunc fill;
    } kinds[] = {
        {a->participant != NULL,                           fill_participant    },
        {a->track != NULL,                                 fill_track          },
        {a->audio_track != NULL || a->video_track != NULL, fill_track_composite},
        {a->web != NULL,                                   fill_web            },
    };
    FillFunc fill = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i].is_given && fill != NULL) {
            set_usage(error, "these exclude each other, give one of: --participant, --track, "
                             "--audio-track and --video-track, or --web");
            return NULL;
        }
        if (kinds[i].is_given)
            fill = kinds[i].fill;
    }
    bool is_room = fill == NULL;
    if (is_room && a->room == NULL && a->token == NULL) {
        set_usage(error, "what is to be recorded? --room, and perhaps one of --participant, "
                         "--track, or --audio-track and --video-track; or --web");
        return NULL;
    }
    if (!check_companions(a, is_room, error))
        return NULL;
    return is_room ? fill_room : fill;
}

Rpc__StartEgressRequest *eg_record_request_new(const EgRecordArguments *arguments, GError **error)
{
    FillFunc fill = choose_kind(arguments, error);
    if (fill == NULL)
        return NULL;
    g_auto(Outputs) outputs = {0};
    if (!parse_outputs(arguments, &outputs, error))
        return NULL;
    EgRecordEncoding encoding = {0};
    if (!eg_record_encoding_parse(arguments, &encoding, error))
        return NULL;

    Rpc__StartEgressRequest *request = g_new(Rpc__StartEgressRequest, 1);
    rpc__start_egress_request__init(request);
    request->egress_id = eg_id_new("EG_");
    if (arguments->token != NULL)
        request->token = g_strdup(arguments->token);
    if (arguments->url != NULL)
        request->ws_url = g_strdup(arguments->url);
    fill(request, arguments, &outputs, &encoding);
    return request;
}

void eg_record_request_free(Rpc__StartEgressRequest *request)
{
    if (request != NULL)
        rpc__start_egress_request__free_unpacked(request, NULL);
}
