#pragma once

#include "config/config.h"
#include "request/format.h"
#include "rpc_egress.pb-c.h"

/* Everything that was decided about an egress, once, from request and config. Immutable; nobody
 * after it asks which kind of request it was. */

typedef enum {
    EG_TRACK_SOURCE_UNKNOWN, /* the numbers of livekit.TrackSource */
    EG_TRACK_SOURCE_CAMERA,
    EG_TRACK_SOURCE_MICROPHONE,
    EG_TRACK_SOURCE_SCREEN_SHARE,
    EG_TRACK_SOURCE_SCREEN_SHARE_AUDIO,
} EgTrackSource;

/* What of the room is recorded. Either `identity` (tracks come and go) or track ids. */
typedef struct {
    char *identity;       /* a participant's, or NULL */
    bool screen_share;    /* with identity: its screen share instead of camera and microphone */
    char *audio_track_id; /* or NULL */
    char *video_track_id; /* or NULL */
    char *track_id;       /* one track of either kind, or NULL */
    bool has_audio;       /* sound is recorded, or may be: both are true with `track_id` */
    bool has_video;       /* false also where the format holds none: a participant into OGG */
} EgSelection;

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
} EgVideoEncoding;

typedef struct {
    EgCodec codec; /* NONE: no audio is encoded */
    guint bitrate_bps;
    guint rate_hz;
    guint channels;
} EgAudioEncoding;

typedef struct {
    EgFormat format;     /* NONE: by the codecs that are sent, eg_format_for_codecs() */
    char *path_template; /* see request/filename.h */
} EgFileOutput;

typedef struct {
    char *egress_id;
    char *room_name;
    char *room_id; /* may be NULL */
    char *ws_url;  /* ws, wss, http or https */
    char *token;   /* that joins the room; NULL: make one of the config's key and secret */
    EgSelection selection;
    EgProcessing processing;
    EgVideoEncoding video;
    EgAudioEncoding audio;
    EgFileOutput file; /* every egress of this version has exactly one output, a file */
    guint retry_count;
    double cpu_cost; /* cores, for admission */
} EgPlan;

/* Validates the request and settles every choice. An error names the field and what would be
 * right, with LiveKit's codes and texts ("request has missing or invalid field: identity"). */
EgPlan *eg_plan_new(const Rpc__StartEgressRequest *request, const EgConfig *config, GError **error);
void eg_plan_free(EgPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgPlan, eg_plan_free)

/* What a made-up file name begins with: identity, track id or room name. The plan's. */
const char *eg_plan_subject(const EgPlan *plan);
