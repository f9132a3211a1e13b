#pragma once

#include "config/config.h"
#include "request/format.h"
#include "request/selection.h"
#include "rpc_egress.pb-c.h"

/* Everything that was decided about an egress, once, from request and config. Immutable; nobody
 * after it asks which kind of request it was. */

typedef enum {
    EG_PROCESSING_NONE,
    /* What the room sends goes into the output as it is; the codecs of the encodings are NONE. */
    EG_PROCESSING_PASSTHROUGH,
    EG_PROCESSING_ENCODE,
} EgProcessing;

typedef enum {
    EG_PROFILE_NONE,
    EG_PROFILE_BASELINE,
    EG_PROFILE_MAIN,
    EG_PROFILE_HIGH,
} EgProfile;

typedef struct {
    EgCodec codec; /* NONE: no video is encoded */
    EgProfile profile;
    guint width;
    guint height;
    guint fps;
    guint bitrate_bps;
    double key_frame_interval_s; /* 0: the encoder decides */
    bool is_constant_rate;       /* filled up where there is nothing to say */
} EgVideoEncoding;

typedef struct {
    EgCodec codec; /* NONE: no audio is encoded */
    guint bitrate_bps;
    guint rate_hz;
    guint channels;
} EgAudioEncoding;

/* Where media comes from. */
typedef enum {
    EG_SOURCE_NONE,
    EG_SOURCE_ROOM, /* tracks of a room: what the selection says */
    EG_SOURCE_PAGE, /* what a browser shows and plays */
    EG_N_SOURCES,
} EgSourceKind;

/* A page that a browser shows; of a room, a template that joins it. */
typedef struct {
    char *url;    /* of a template, without what it is told of the room */
    char *layout; /* of a template; NULL: no template, the page joins no room by itself */
    guint width;  /* of the browser's window, in pixels; even */
    guint height;
    guint fps;            /* how often it is drawn, though only its sound be recorded */
    bool awaits_signal;   /* recording begins when the page says so */
    bool is_trusted;      /* it may reach private addresses */
    bool is_own;          /* our own template */
    bool reloads_crashed; /* a page that has crashed is loaded again */
} EgPage;

typedef enum {
    EG_OUTPUT_NONE,
    EG_OUTPUT_FILE,
    EG_OUTPUT_SEGMENTS,  /* files of some seconds each, and playlists of them (HLS) */
    EG_OUTPUT_STREAM,    /* to a server that takes RTMP or SRT; one URL */
    EG_OUTPUT_WEBSOCKET, /* raw sound; one URL */
    EG_OUTPUT_IMAGES,    /* a picture now and then */
    EG_N_OUTPUTS,
} EgOutputKind;

typedef enum {
    EG_IMAGE_NONE,
    EG_IMAGE_JPEG,
    EG_IMAGE_PNG,
    EG_IMAGE_WEBP,
    EG_N_IMAGES,
} EgImageFormat;

/* What tells the files of one output from each other. */
typedef enum {
    EG_SUFFIX_NONE, /* nothing: each replaces the one before */
    EG_SUFFIX_INDEX,
    EG_SUFFIX_TIME,
} EgSuffix;

typedef struct {
    EgOutputKind kind;
    EgFormat
        format; /* NONE: by the codecs that are sent, eg_format_for_codecs(); of images always */
    char *path_template; /* of a file, see request/filename.h; what names of segments and images
                            begin with, see eg_filename_expand_prefix() */
    char *url;           /* of a stream, as it was given: with its secrets */
    char *id;            /* of a stream, as the request names it; NULL: not at all */
    EgStorage *storage;  /* NULL: the paths are where the files stay, on this machine; else they are
                            keys of that store, in its prefix */
    EgStorage *backup;   /* takes over when that fails; NULL: none */
    bool has_manifest;   /* one may lie beside its files */
    EgSuffix suffix;     /* of segments and images */
    struct {
        char *playlist_template;
        char *live_playlist_template; /* NULL: none */
        guint live_segments;          /* how many that names */
        gint64 duration_ns;
    } segments;
    struct {
        EgImageFormat format;
        const char *extension; /* ".jpeg"; static */
        gint64 interval_ns;
        guint width; /* 0: as what is recorded */
        guint height;
    } images;
} EgOutput;

typedef struct {
    const char *type; /* of the request, for metrics: "participant"; static */
    char *egress_id;
    char *room_name;
    char *room_id;       /* may be NULL */
    char *ws_url;        /* ws, wss, http or https */
    char *token;         /* that joins the room; NULL: make one of the config's key and secret */
    const char *subject; /* see eg_plan_subject() */
    EgSourceKind source;
    EgPage page; /* if that is the source */
    EgSelection selection;
    EgProcessing processing;
    EgVideoEncoding video;
    EgAudioEncoding audio;
    EgOutput *outputs;
    guint n_outputs;          /* at least 1 */
    gint64 latency_ns;        /* how long what is late is waited for */
    gint64 limit_duration_ns; /* 0: none */
    gint64 limit_size_bytes;  /* of a file; 0: none */
    guint retry_count;
    GPtrArray *warnings; /* char *: what was changed so that it is possible */
    double cpu_cost;     /* cores, for admission */
    gint64 memory_cost_bytes;
} EgPlan;

/* Validates the request and settles every choice. An error names the field and what would be
 * right, with LiveKit's codes and texts ("request has missing or invalid field: identity"). */
EgPlan *eg_plan_new(const Rpc__StartEgressRequest *request, const EgConfig *config, GError **error);
void eg_plan_free(EgPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgPlan, eg_plan_free)

/* What a made-up file name begins with: identity, track id or room name. The plan's. */
const char *eg_plan_subject(const EgPlan *plan);
