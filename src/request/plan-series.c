/* The outputs of many files: segments with their playlists, and images. */
#include "request/plan-private.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "request/filename.h"
#include "request/invalid.h"

#define STANDARD_SEGMENT_S 4
#define MAX_SEGMENT_S      3600

#define STANDARD_INTERVAL_S 10
#define MAX_INTERVAL_S      86400

#define MIN_IMAGE_SIZE 16
#define MAX_IMAGE_SIZE 7680

/* A path in two, each a part of a string that is owned elsewhere. */
typedef struct {
    char *folder; /* "" or ended by "/" */
    char *name;
} Path;

static void clear_path(Path *path)
{
    g_clear_pointer(&path->folder, g_free);
    g_clear_pointer(&path->name, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Path, clear_path)

/* Without what says nothing: "//" and "./". */
static Path split(const char *text)
{
    g_auto(GStrv) elements = g_strsplit(text != NULL ? text : "", "/", -1);
    guint n_elements = g_strv_length(elements);
    GString *folder = g_string_new(text != NULL && *text == '/' ? "/" : NULL);
    for (guint i = 0; i + 1 < n_elements; i++) {
        if (*elements[i] != '\0' && strcmp(elements[i], ".") != 0)
            g_string_append_printf(folder, "%s/", elements[i]);
    }
    const char *name = n_elements > 0 ? elements[n_elements - 1] : "";
    return (Path){.folder = g_string_free(folder, FALSE), .name = g_strdup(name)};
}

/* What is taken for the extension of a playlist is whatever is behind the last dot. */
static void drop_extension(char *name)
{
    char *dot = strrchr(name, '.');
    if (dot != NULL)
        *dot = '\0';
}

static void set(char **text, const char *value)
{
    char *copy = g_strdup(value);
    g_free(*text);
    *text = copy;
}

/* LiveKit's rules: the names of segments are relative to the folder of the playlist, of which
 * either may say what it is; and of name and prefix, each stands in for the other. */
static void combine(Path *playlist, Path *prefix)
{
    drop_extension(playlist->name);
    if (strcmp(playlist->folder, prefix->folder) == 0) {
        set(&prefix->folder, "");
    } else if (*playlist->folder == '\0') {
        set(&playlist->folder, prefix->folder);
        set(&prefix->folder, "");
    }
    if (*playlist->name == '\0')
        set(&playlist->name, prefix->name);
    if (*prefix->name == '\0')
        set(&prefix->name, playlist->name);
}

typedef struct {
    const EgConfig *config;
    const EgPlan *plan;
} Place;

static bool settle_names(const Livekit__SegmentedFileOutput *request, const Place *place,
                         EgOutput *output, GError **error)
{
    g_auto(Path) playlist = split(request->playlist_name);
    g_auto(Path) live = split(request->live_playlist_name);
    g_auto(Path) prefix = split(request->filename_prefix);
    if (*live.folder != '\0' && strcmp(live.folder, playlist.folder) != 0) {
        eg_request_invalid(error, "live_playlist_name must be in same directory as playlist_name",
                           NULL);
        return false;
    }
    combine(&playlist, &prefix);
    drop_extension(live.name);

    g_autofree char *playlist_path = g_strconcat(playlist.folder, playlist.name, NULL);
    g_autofree char *live_path = g_strconcat(playlist.folder, live.name, NULL);
    g_autofree char *prefix_path = g_strconcat(playlist.folder, prefix.folder, prefix.name, NULL);
    if (*live.name != '\0' && strcmp(live_path, playlist_path) == 0) {
        eg_request_invalid(error, "live_playlist_name cannot be identical to playlist_name", NULL);
        return false;
    }
    const struct {
        const char *field;
        const char *path; /* NULL: there is none */
        char **template;
    } names[] = {
        {"playlist_name",      playlist_path,                         &output->segments.playlist_template},
        {"live_playlist_name", *live.name != '\0' ? live_path : NULL,
         &output->segments.live_playlist_template                                                        },
        {"filename_prefix",    prefix_path,                           &output->path_template             },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        if (names[i].path == NULL)
            continue;
        *names[i].template = eg_plan_settle_template(names[i].field, names[i].path, output->storage,
                                                     place->config, place->plan, error);
        if (*names[i].template == NULL)
            return false;
    }
    return true;
}

bool eg_plan_settle_segments(const EgOutputRequest *request, const EgPlanDraft *draft,
                             const EgConfig *config, const EgPlan *plan, EgOutput *output,
                             GError **error)
{
    (void)draft;
    const Livekit__SegmentedFileOutput *segments = request->segments;
    static const EgSuffix suffixes[] = {
        [LIVEKIT__SEGMENTED_FILE_SUFFIX__INDEX] = EG_SUFFIX_INDEX,
        [LIVEKIT__SEGMENTED_FILE_SUFFIX__TIMESTAMP] = EG_SUFFIX_TIME,
    };
    if (segments->protocol == LIVEKIT__SEGMENTED_FILE_PROTOCOL__HLS_FMP4_PROTOCOL) {
        eg_request_unimplemented(error, "protocol: HLS_FMP4_PROTOCOL is not possible yet; "
                                        "HLS_PROTOCOL is, whose segments are MPEG-TS");
        return false;
    }
    if (segments->protocol > LIVEKIT__SEGMENTED_FILE_PROTOCOL__HLS_PROTOCOL) {
        eg_request_invalid(error, "protocol", "%d is none; there is HLS", (int)segments->protocol);
        return false;
    }
    if (segments->filename_suffix >= G_N_ELEMENTS(suffixes)) {
        eg_request_invalid(error, "filename_suffix", "%d is none; there are INDEX and TIMESTAMP",
                           (int)segments->filename_suffix);
        return false;
    }
    if (segments->segment_duration > MAX_SEGMENT_S) {
        eg_request_invalid(error, "segment_duration", "%u; it must be from 1 to %d seconds",
                           segments->segment_duration, MAX_SEGMENT_S);
        return false;
    }
    guint32 duration_s = segments->segment_duration;
    output->format = EG_FORMAT_TS;
    output->suffix = suffixes[segments->filename_suffix];
    output->segments.duration_ns =
        (duration_s != 0 ? duration_s : STANDARD_SEGMENT_S) * EG_NS_PER_S;
    output->segments.live_segments = config->live_playlist_segments;
    const Place place = {.config = config, .plan = plan};
    return settle_names(segments, &place, output, error);
}

/* What ends in one of these is a whole name, and says what images are. The first is what is meant
 * where the name says nothing. */
static const struct {
    const char *extension;
    EgImageFormat format;
} image_extensions[] = {
    {".jpeg", EG_IMAGE_JPEG},
    {".jpg",  EG_IMAGE_JPEG},
    {".png",  EG_IMAGE_PNG },
    {".webp", EG_IMAGE_WEBP},
};

/* Cuts off the extension. */
static void settle_image_format(char *name, EgOutput *output)
{
    output->images.format = image_extensions[0].format;
    output->images.extension = image_extensions[0].extension;
    const char *dot = strrchr(name, '.');
    for (gsize i = 0; dot != NULL && i < G_N_ELEMENTS(image_extensions); i++) {
        if (g_ascii_strcasecmp(dot, image_extensions[i].extension) != 0)
            continue;
        output->images.format = image_extensions[i].format;
        output->images.extension = image_extensions[i].extension;
        name[dot - name] = '\0';
        return;
    }
}

static bool settle_image_size(const char *field, gint32 value, guint *size, GError **error)
{
    if (value != 0 && (value < MIN_IMAGE_SIZE || value > MAX_IMAGE_SIZE)) {
        eg_request_invalid(error, field, "%d; it must be from %d to %d", value, MIN_IMAGE_SIZE,
                           MAX_IMAGE_SIZE);
        return false;
    }
    *size = (guint)value;
    return true;
}

bool eg_plan_settle_images(const EgOutputRequest *request, const EgPlanDraft *draft,
                           const EgConfig *config, const EgPlan *plan, EgOutput *output,
                           GError **error)
{
    (void)draft;
    const Livekit__ImageOutput *images = request->images;
    static const EgSuffix suffixes[] = {
        [LIVEKIT__IMAGE_FILE_SUFFIX__IMAGE_SUFFIX_INDEX] = EG_SUFFIX_INDEX,
        [LIVEKIT__IMAGE_FILE_SUFFIX__IMAGE_SUFFIX_TIMESTAMP] = EG_SUFFIX_TIME,
        [LIVEKIT__IMAGE_FILE_SUFFIX__IMAGE_SUFFIX_NONE_OVERWRITE] = EG_SUFFIX_NONE,
    };
    if (images->filename_suffix >= G_N_ELEMENTS(suffixes)) {
        eg_request_invalid(error, "filename_suffix",
                           "%d is none; there are INDEX, TIMESTAMP and NONE_OVERWRITE",
                           (int)images->filename_suffix);
        return false;
    }
    if (images->image_codec > LIVEKIT__IMAGE_CODEC__IC_JPEG) {
        eg_request_invalid(error, "image_codec", "%d is none; there is JPEG",
                           (int)images->image_codec);
        return false;
    }
    if (images->capture_interval > MAX_INTERVAL_S) {
        eg_request_invalid(error, "capture_interval", "%u; it must be from 1 to %d seconds",
                           images->capture_interval, MAX_INTERVAL_S);
        return false;
    }
    guint32 interval_s = images->capture_interval;
    output->suffix = suffixes[images->filename_suffix];
    output->images.interval_ns = (interval_s != 0 ? interval_s : STANDARD_INTERVAL_S) * EG_NS_PER_S;
    if (!settle_image_size("width", images->width, &output->images.width, error) ||
        !settle_image_size("height", images->height, &output->images.height, error))
        return false;
    g_autofree char *name = g_strdup(images->filename_prefix);
    settle_image_format(name, output);
    if (images->image_codec == LIVEKIT__IMAGE_CODEC__IC_JPEG &&
        output->images.format != EG_IMAGE_JPEG) {
        eg_request_invalid(error, "image_codec",
                           "JPEG, but filename_prefix ends in %s, which says what images are where "
                           "image_codec is left open",
                           output->images.extension);
        return false;
    }
    output->path_template =
        eg_plan_settle_template("filename_prefix", name, output->storage, config, plan, error);
    return output->path_template != NULL;
}
