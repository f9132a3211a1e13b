#include "request/encoding.h"

#include <math.h>

#include "base/error.h"
#include "base/time.h"
#include "request/invalid.h"
#include "request/preset.h"

#define KBIT 1000

/* Whoever joins a stream sees nothing before a key frame; what providers ask for at most. */
#define STREAM_KEY_FRAME_INTERVAL_S 4

static const struct {
    Livekit__AudioCodec requested;
    EgCodec codec;
} audio_codecs[] = {
    {LIVEKIT__AUDIO_CODEC__DEFAULT_AC, EG_CODEC_NONE},
    {LIVEKIT__AUDIO_CODEC__OPUS,       EG_CODEC_OPUS},
    {LIVEKIT__AUDIO_CODEC__AAC,        EG_CODEC_AAC },
    {LIVEKIT__AUDIO_CODEC__AC_MP3,     EG_CODEC_MP3 },
};

static const struct {
    Livekit__VideoCodec requested;
    EgCodec codec;
    EgProfile profile;
} video_codecs[] = {
    {LIVEKIT__VIDEO_CODEC__DEFAULT_VC,    EG_CODEC_NONE, EG_PROFILE_MAIN    },
    {LIVEKIT__VIDEO_CODEC__H264_BASELINE, EG_CODEC_H264, EG_PROFILE_BASELINE},
    {LIVEKIT__VIDEO_CODEC__H264_MAIN,     EG_CODEC_H264, EG_PROFILE_MAIN    },
    {LIVEKIT__VIDEO_CODEC__H264_HIGH,     EG_CODEC_H264, EG_PROFILE_HIGH    },
    {LIVEKIT__VIDEO_CODEC__VP8,           EG_CODEC_VP8,  EG_PROFILE_NONE    },
    {LIVEKIT__VIDEO_CODEC__VP9,           EG_CODEC_VP9,  EG_PROFILE_NONE    },
};

/* What both AAC and MP3 know (ISO 14496-3, 13818-3). */
static const gint32 audio_rates_hz[] = {
    8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000,
};

typedef struct {
    const char *field;
    gint32 value; /* 0: not set */
    gint32 min;
    gint32 max;
    bool is_even;
    guint factor;
    guint *target;
} Number;

/* Chroma has half the lines and columns in all that is encoded here: an odd size gets one more. */
static gint32 make_even(const Number *number, GPtrArray *warnings)
{
    if (!number->is_even || number->value % 2 == 0)
        return number->value;
    g_ptr_array_add(warnings, g_strdup_printf("%s must be even: %d instead of %d", number->field,
                                              number->value + 1, number->value));
    return number->value + 1;
}

static bool apply_number(const Number *number, EgPlan *plan, GError **error)
{
    if (number->value == 0)
        return true;
    if (number->value < number->min || number->value > number->max) {
        eg_request_invalid(error, number->field, "%d; it must be from %d to %d", number->value,
                           number->min, number->max);
        return false;
    }
    gint32 value = make_even(number, plan->warnings);
    *number->target = (guint)value * number->factor;
    return true;
}

static bool apply_numbers(const Livekit__EncodingOptions *o, EgPlan *plan, GError **error)
{
    EgVideoEncoding *video = &plan->video;
    EgAudioEncoding *audio = &plan->audio;
    const Number numbers[] = {
        {"width",         o->width,         16, 7680,   true,  1,    &video->width      },
        {"height",        o->height,        16, 7680,   true,  1,    &video->height     },
        {"framerate",     o->framerate,     1,  120,    false, 1,    &video->fps        },
        {"video_bitrate", o->video_bitrate, 10, 200000, false, KBIT, &video->bitrate_bps},
        {"audio_bitrate", o->audio_bitrate, 8,  510,    false, KBIT, &audio->bitrate_bps},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (!apply_number(&numbers[i], plan, error))
            return false;
    }
    /* All that any encoder here produces has 8 bits per channel. */
    if (o->depth != 0 && o->depth != 8 && o->depth != 16 && o->depth != 24) {
        eg_request_invalid(error, "depth", "%d; it must be 8, 16 or 24", o->depth);
        return false;
    }
    if (!isfinite(o->key_frame_interval) || o->key_frame_interval < 0 ||
        o->key_frame_interval > 600) {
        eg_request_invalid(error, "key_frame_interval", "%g; it must be from 0 to 600 seconds",
                           o->key_frame_interval);
        return false;
    }
    video->key_frame_interval_s = o->key_frame_interval;
    return true;
}

static bool apply_audio_rate(gint32 rate_hz, EgPlan *plan, GError **error)
{
    if (rate_hz == 0)
        return true;
    for (gsize i = 0; i < G_N_ELEMENTS(audio_rates_hz); i++) {
        if (audio_rates_hz[i] == rate_hz) {
            plan->audio.rate_hz = (guint)rate_hz;
            return true;
        }
    }
    eg_request_invalid(error, "audio_frequency", "%d; 44100 and 48000 are usual", rate_hz);
    return false;
}

static bool apply_codecs(const Livekit__EncodingOptions *o, EgPlan *plan, GError **error)
{
    gsize a = 0;
    while (a < G_N_ELEMENTS(audio_codecs) && audio_codecs[a].requested != o->audio_codec)
        a++;
    gsize v = 0;
    while (v < G_N_ELEMENTS(video_codecs) && video_codecs[v].requested != o->video_codec)
        v++;
    if (a == G_N_ELEMENTS(audio_codecs)) {
        eg_request_invalid(error, "audio_codec", "%d is none", (int)o->audio_codec);
        return false;
    }
    if (v == G_N_ELEMENTS(video_codecs)) {
        eg_request_invalid(error, "video_codec", "%d is none", (int)o->video_codec);
        return false;
    }
    plan->audio.codec = audio_codecs[a].codec;
    plan->video.codec = video_codecs[v].codec;
    plan->video.profile = video_codecs[v].profile;
    return true;
}

/* Leaves codecs that are free at NONE. */
static bool apply_options(const EgEncodingRequest *request, EgPlan *plan, GError **error)
{
    const EgPreset *preset = eg_preset_find(
        request->has_preset ? request->preset : LIVEKIT__ENCODING_OPTIONS_PRESET__H264_720P_30);
    if (preset == NULL) {
        eg_request_invalid(error, "preset", "%d is none", (int)request->preset);
        return false;
    }
    plan->video = (EgVideoEncoding){
        .profile = EG_PROFILE_MAIN,
        .width = preset->width,
        .height = preset->height,
        .fps = preset->fps,
        .bitrate_bps = preset->bitrate_bps,
    };
    plan->audio = (EgAudioEncoding){.bitrate_bps = 128 * KBIT, .rate_hz = 44100, .channels = 2};

    const Livekit__EncodingOptions *advanced = request->advanced;
    return advanced == NULL || (apply_numbers(advanced, plan, error) &&
                                apply_audio_rate(advanced->audio_frequency, plan, error) &&
                                apply_codecs(advanced, plan, error));
}

/* What the format holds, and which other formats would hold the codec. */
static void set_incompatible(GError **error, const char *field, EgFormat format, EgCodec codec)
{
    const EgCodecInfo *info = eg_codec_info(codec);
    g_autofree char *codecs = eg_format_describe_codecs(format);
    g_autofree char *holders = eg_format_describe_holders(codec);
    const char *name = eg_format_info(format)->name;
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                 "format %s incompatible with codec %s (%s): %s holds %s; files that hold %s: %s",
                 name, info->name, field, name, codecs, info->name, holders);
}

static bool takes(const EgOutput *output, EgMedia media)
{
    return eg_format_default_codec(output->format, media) != EG_CODEC_NONE;
}

/* The first output that says what it is and takes that kind of media; NULL if none does. */
static const EgOutput *first_that_takes(const EgPlan *plan, EgMedia media)
{
    for (guint i = 0; i < plan->n_outputs; i++) {
        if (takes(&plan->outputs[i], media))
            return &plan->outputs[i];
    }
    return NULL;
}

/* Whether there is an output whose format is not settled, or that takes raw pictures. */
static bool has_open_format(const EgPlan *plan)
{
    for (guint i = 0; i < plan->n_outputs; i++) {
        if (plan->outputs[i].format == EG_FORMAT_NONE)
            return true;
    }
    return false;
}

/* Pictures that no output takes: a participant into a format without any means its sound; pictures
 * that are asked for by name would be dropped, which nobody can want. */
static bool settle_untaken_video(EgPlan *plan, GError **error)
{
    if (!eg_selection_has(&plan->selection, EG_MEDIA_VIDEO) || has_open_format(plan) ||
        first_that_takes(plan, EG_MEDIA_VIDEO) != NULL)
        return true;
    if (plan->selection.lifetime == EG_LIFETIME_PARTICIPANT) {
        g_array_set_size(plan->selection.video, 0);
        return true;
    }
    EgFormat format = plan->outputs[0].format;
    g_autofree char *codecs = eg_format_describe_codecs(format);
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                 "no supported codec is compatible with all outputs: format %s holds %s, but a "
                 "picture is asked for; mp4, webm and mkv hold both",
                 eg_format_info(format)->name, codecs);
    return false;
}

static bool check_passthrough_sound(const EgOutput *output, GError **error)
{
    if (output->format == EG_FORMAT_NONE || eg_format_holds_sent(output->format, EG_MEDIA_AUDIO))
        return true;
    g_autofree char *codecs = eg_format_describe_codecs(output->format);
    g_autofree char *holders = eg_format_describe_holders(EG_CODEC_OPUS);
    eg_request_invalid(error, "preset",
                       "PASSTHROUGH into %s, which holds %s, but rooms send Opus; "
                       "files that hold that: %s%s",
                       eg_format_info(output->format)->name, codecs, holders,
                       takes(output, EG_MEDIA_VIDEO)
                           ? "; a video track alone can be left as it is, and with another preset "
                             "everything is encoded"
                           : "");
    return false;
}

static bool has_stream(const EgPlan *plan)
{
    for (guint i = 0; i < plan->n_outputs; i++) {
        if (plan->outputs[i].kind == EG_OUTPUT_STREAM)
            return true;
    }
    return false;
}

/* What servers of streams expect of pictures, and RTMP of their rate. */
static void adapt_to_streams(EgPlan *plan)
{
    if (!eg_selection_has(&plan->selection, EG_MEDIA_VIDEO))
        return;
    for (guint i = 0; i < plan->n_outputs; i++) {
        if (plan->outputs[i].kind != EG_OUTPUT_STREAM)
            continue;
        if (plan->video.key_frame_interval_s <= 0)
            plan->video.key_frame_interval_s = STREAM_KEY_FRAME_INTERVAL_S;
        if (plan->outputs[i].format == EG_FORMAT_FLV)
            plan->video.is_constant_rate = true;
    }
}

static void warn_of_few_key_frames(EgPlan *plan)
{
    if (plan->video.key_frame_interval_s > STREAM_KEY_FRAME_INTERVAL_S && has_stream(plan))
        g_ptr_array_add(plan->warnings,
                        g_strdup_printf("key_frame_interval is %g s; services that take streams "
                                        "ask for %d at most, and may refuse",
                                        plan->video.key_frame_interval_s,
                                        STREAM_KEY_FRAME_INTERVAL_S));
}

/* As it is sent, a key frame is asked for when a segment is due to end. */
static void adapt_to_segments(EgPlan *plan)
{
    double *interval_s = &plan->video.key_frame_interval_s;
    for (guint i = 0; i < plan->n_outputs; i++) {
        double duration_s = (double)plan->outputs[i].segments.duration_ns / (double)EG_NS_PER_S;
        if (duration_s > 0 && (*interval_s <= 0 || *interval_s > duration_s))
            *interval_s = duration_s;
    }
}

static bool settle_passthrough(EgPlan *plan, GError **error)
{
    if (plan->selection.lifetime == EG_LIFETIME_ROOM) {
        eg_request_invalid(error, "passthrough",
                           "what is sent in a room is mixed; single tracks and the tracks of one "
                           "participant can be left as they are");
        return false;
    }
    bool has_audio = eg_selection_has(&plan->selection, EG_MEDIA_AUDIO);
    for (guint i = 0; i < plan->n_outputs; i++) {
        if (plan->outputs[i].kind == EG_OUTPUT_IMAGES) {
            eg_request_invalid(error, "passthrough",
                               "images are made of pictures that are decoded");
            return false;
        }
        if (has_audio && !check_passthrough_sound(&plan->outputs[i], error))
            return false;
    }
    adapt_to_streams(plan);
    adapt_to_segments(plan);
    return settle_untaken_video(plan, error);
}

static void set_no_common(GError **error, const EgPlan *plan)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < plan->n_outputs; i++) {
        EgFormat format = plan->outputs[i].format;
        if (format == EG_FORMAT_NONE)
            continue;
        g_autofree char *codecs = eg_format_describe_codecs(format);
        g_string_append_printf(text, "%s%s holds %s", text->len > 0 ? "; " : "",
                               eg_format_info(format)->name, codecs);
    }
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                 "no supported codec is compatible with all outputs: %s", text->str);
    g_string_free(text, TRUE);
}

/* NULL if all outputs that take this kind of media hold the codec, else the first that does not. */
static const EgOutput *find_misfit(const EgPlan *plan, EgMedia media, EgCodec codec)
{
    for (guint i = 0; i < plan->n_outputs; i++) {
        if (takes(&plan->outputs[i], media) && !eg_format_holds(plan->outputs[i].format, codec))
            return &plan->outputs[i];
    }
    return NULL;
}

/* One codec for all outputs that take this kind of media: that which is asked for, else the first
 * choice of the first of them that suits the others. Left at NONE if no output says what it is. */
static bool settle_codec(const EgPlan *plan, EgMedia media, const char *field, EgCodec *codec,
                         GError **error)
{
    const EgOutput *first = first_that_takes(plan, media);
    const EgOutput *any = plan->outputs[0].format != EG_FORMAT_NONE ? &plan->outputs[0] : NULL;
    if (*codec != EG_CODEC_NONE) {
        const EgOutput *misfit = first != NULL ? find_misfit(plan, media, *codec) : any;
        if (misfit == NULL)
            return true;
        set_incompatible(error, field, misfit->format, *codec);
        return false;
    }
    if (first == NULL)
        return true;
    for (const EgCodec *c = eg_format_info(first->format)->codecs; *c != EG_CODEC_NONE; c++) {
        if (eg_codec_info(*c)->media == media && find_misfit(plan, media, *c) == NULL) {
            *codec = *c;
            return true;
        }
    }
    set_no_common(error, plan);
    return false;
}

static bool settle_codecs(EgPlan *plan, GError **error)
{
    const EgSelection *selection = &plan->selection;
    return (!eg_selection_has(selection, EG_MEDIA_AUDIO) ||
            settle_codec(plan, EG_MEDIA_AUDIO, "audio_codec", &plan->audio.codec, error)) &&
           (!eg_selection_has(selection, EG_MEDIA_VIDEO) ||
            settle_codec(plan, EG_MEDIA_VIDEO, "video_codec", &plan->video.codec, error));
}

/* Of files whose names say nothing: what holds the codecs. */
static bool settle_open_formats(EgPlan *plan, GError **error)
{
    const EgSelection *selection = &plan->selection;
    for (guint i = 0; i < plan->n_outputs; i++) {
        EgOutput *output = &plan->outputs[i];
        if (output->kind != EG_OUTPUT_FILE || output->format != EG_FORMAT_NONE)
            continue;
        output->format =
            eg_format_for_encoding(eg_selection_has(selection, EG_MEDIA_AUDIO), plan->audio.codec,
                                   eg_selection_has(selection, EG_MEDIA_VIDEO), plan->video.codec);
        if (output->format != EG_FORMAT_NONE)
            continue;
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "no supported file output type is compatible with the selected codecs: no "
                     "format holds both %s and %s; mp4 holds AAC with H264, webm Opus with VP8",
                     eg_codec_info(plan->audio.codec)->name,
                     plan->video.codec != EG_CODEC_NONE ? eg_codec_info(plan->video.codec)->name
                                                        : "video");
        return false;
    }
    return true;
}

/* The largest number up to `most` that divides `n`. */
static guint64 largest_divisor(guint64 n, guint64 most)
{
    guint64 divisor = MIN(n, MAX(most, 1));
    while (n % divisor != 0)
        divisor--;
    return divisor;
}

static guint64 common_divisor(guint64 a, guint64 b)
{
    while (b != 0) {
        guint64 rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Segments begin with key frames: there is one at each multiple of their durations. */
static void settle_key_frames(const EgEncodingRequest *request, EgPlan *plan)
{
    EgVideoEncoding *video = &plan->video;
    guint64 frames = 0;
    for (guint i = 0; i < plan->n_outputs; i++) {
        gint64 duration_ns = plan->outputs[i].segments.duration_ns;
        frames = common_divisor((guint64)(duration_ns / EG_NS_PER_S) * video->fps, frames);
    }
    if (frames == 0 || video->codec == EG_CODEC_NONE)
        return;
    double wanted_s = video->key_frame_interval_s;
    guint64 wanted = wanted_s > 0 ? (guint64)llrint(wanted_s * video->fps) : frames;
    guint64 interval = largest_divisor(frames, wanted);
    video->key_frame_interval_s = (double)interval / video->fps;
    /* What streams would have had by themselves nobody misses. */
    bool is_asked_for = request->advanced != NULL && request->advanced->key_frame_interval > 0;
    if (is_asked_for && interval != wanted)
        g_ptr_array_add(plan->warnings,
                        g_strdup_printf("key_frame_interval must divide the duration of segments: "
                                        "%g instead of %g s",
                                        video->key_frame_interval_s, wanted_s));
}

/* Nothing is encoded that no output takes. */
static void drop_untaken(EgPlan *plan)
{
    if (first_that_takes(plan, EG_MEDIA_AUDIO) == NULL)
        g_array_set_size(plan->selection.audio, 0);
    if (!eg_selection_has(&plan->selection, EG_MEDIA_AUDIO))
        plan->audio = (EgAudioEncoding){0};
    if (!eg_selection_has(&plan->selection, EG_MEDIA_VIDEO))
        plan->video = (EgVideoEncoding){0};
    else if (first_that_takes(plan, EG_MEDIA_VIDEO) == NULL)
        plan->video.codec = EG_CODEC_NONE;
}

static bool has_format(const EgPlan *plan, EgFormat format)
{
    for (guint i = 0; i < plan->n_outputs; i++) {
        if (plan->outputs[i].format == format)
            return true;
    }
    return false;
}

/* Opus has no other rate (RFC 7845), nor has what is streamed raw; what was asked for is meant for
 * the others. */
static void settle_audio_rate(const EgEncodingRequest *request, EgPlan *plan)
{
    EgAudioEncoding *audio = &plan->audio;
    bool is_asked_for = request->advanced != NULL && request->advanced->audio_frequency != 0;
    if (audio->codec == EG_CODEC_OPUS || has_format(plan, EG_FORMAT_RAW) ||
        (audio->codec == EG_CODEC_PCM && !is_asked_for))
        audio->rate_hz = 48000;
    if (audio->codec == EG_CODEC_PCM)
        audio->bitrate_bps = 16 * audio->rate_hz * audio->channels;
}

static bool settle_encode(const EgEncodingRequest *request, EgPlan *plan, GError **error)
{
    if (plan->video.codec == EG_CODEC_NONE && !settle_untaken_video(plan, error))
        return false;
    /* The codecs of files that are named first, then those of what was left open. */
    if (!settle_codecs(plan, error) || !settle_open_formats(plan, error) ||
        !settle_codecs(plan, error))
        return false;
    if (plan->audio.codec == EG_CODEC_MP3 && plan->audio.bitrate_bps > 320 * KBIT) {
        eg_request_invalid(error, "audio_bitrate", "MP3 ends at 320");
        return false;
    }
    plan->page.width = plan->video.width;
    plan->page.height = plan->video.height;
    plan->page.fps = plan->video.fps;
    drop_untaken(plan);
    adapt_to_streams(plan);
    settle_key_frames(request, plan);
    warn_of_few_key_frames(plan);
    if (plan->video.codec != EG_CODEC_H264)
        plan->video.profile = EG_PROFILE_NONE;
    settle_audio_rate(request, plan);
    return true;
}

bool eg_encoding_settle(const EgEncodingRequest *request, EgPlan *plan, GError **error)
{
    if (request->has_preset && request->preset == LIVEKIT__ENCODING_OPTIONS_PRESET__PASSTHROUGH)
        plan->processing = EG_PROCESSING_PASSTHROUGH;
    if (plan->processing == EG_PROCESSING_PASSTHROUGH)
        return settle_passthrough(plan, error);
    plan->processing = EG_PROCESSING_ENCODE;
    return apply_options(request, plan, error) && settle_encode(request, plan, error);
}
