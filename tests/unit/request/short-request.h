/* Requests in short, for the tests of what a plan is made of. */
#pragma once

#include <string.h>

#include "request/plan.h"

#define PRESET(name)      (1 + LIVEKIT__ENCODING_OPTIONS_PRESET__##name)
#define FILE_TYPE(name)   LIVEKIT__ENCODED_FILE_TYPE__##name
#define AUDIO_CODEC(name) LIVEKIT__AUDIO_CODEC__##name
#define VIDEO_CODEC(name) LIVEKIT__VIDEO_CODEC__##name
#define INVALID           "request has missing or invalid field: "

/* A request in short: the fields that are not named are not set. The kind follows from the ids. */
typedef struct {
    const char *identity;
    const char *audio_track_id;
    const char *video_track_id;
    const char *track_id;
    int preset; /* PRESET(), 0: none */
    const Livekit__EncodingOptions *advanced;
    Livekit__EncodedFileType file_type;
    const char *filepath; /* NULL: no output */
} Short;

#define ADVANCED(...)                                                                              \
    &(const Livekit__EncodingOptions)                                                              \
    {                                                                                              \
        .base = PROTOBUF_C_MESSAGE_INIT(&livekit__encoding_options__descriptor), __VA_ARGS__       \
    }

/* The messages that a request is made of, in one place; only valid where it is. */
typedef struct {
    Rpc__StartEgressRequest request;
    Livekit__ParticipantEgressRequest participant;
    Livekit__TrackCompositeEgressRequest composite;
    Livekit__TrackEgressRequest track;
    Livekit__EncodedFileOutput file;
    Livekit__EncodedFileOutput *files[2];
    Livekit__DirectFileOutput direct;
} Messages;

static inline char *str(const char *text)
{
    return (char *)(guintptr)(text != NULL ? text : "");
}

static inline void fill_participant(Messages *m, const Short *s)
{
    m->request.request_case = RPC__START_EGRESS_REQUEST__REQUEST_PARTICIPANT;
    m->request.participant = &m->participant;
    m->participant.room_name = str("standup");
    m->participant.identity = str(s->identity);
    m->participant.file_outputs = m->files;
    m->participant.n_file_outputs = s->filepath != NULL ? 1 : 0;
    if (s->preset != 0) {
        m->participant.options_case = LIVEKIT__PARTICIPANT_EGRESS_REQUEST__OPTIONS_PRESET;
        m->participant.preset = (Livekit__EncodingOptionsPreset)(s->preset - 1);
    } else if (s->advanced != NULL) {
        m->participant.options_case = LIVEKIT__PARTICIPANT_EGRESS_REQUEST__OPTIONS_ADVANCED;
        m->participant.advanced = (Livekit__EncodingOptions *)(guintptr)s->advanced;
    }
}

static inline void fill_composite(Messages *m, const Short *s)
{
    m->request.request_case = RPC__START_EGRESS_REQUEST__REQUEST_TRACK_COMPOSITE;
    m->request.track_composite = &m->composite;
    m->composite.room_name = str("standup");
    m->composite.audio_track_id = str(s->audio_track_id);
    m->composite.video_track_id = str(s->video_track_id);
    m->composite.file_outputs = m->files;
    m->composite.n_file_outputs = s->filepath != NULL ? 1 : 0;
    if (s->preset != 0) {
        m->composite.options_case = LIVEKIT__TRACK_COMPOSITE_EGRESS_REQUEST__OPTIONS_PRESET;
        m->composite.preset = (Livekit__EncodingOptionsPreset)(s->preset - 1);
    } else if (s->advanced != NULL) {
        m->composite.options_case = LIVEKIT__TRACK_COMPOSITE_EGRESS_REQUEST__OPTIONS_ADVANCED;
        m->composite.advanced = (Livekit__EncodingOptions *)(guintptr)s->advanced;
    }
}

static inline void fill_track(Messages *m, const Short *s)
{
    m->request.request_case = RPC__START_EGRESS_REQUEST__REQUEST_TRACK;
    m->request.track = &m->track;
    m->track.room_name = str("standup");
    m->track.track_id = str(s->track_id);
    if (s->filepath != NULL) {
        m->direct.filepath = str(s->filepath);
        m->track.output_case = LIVEKIT__TRACK_EGRESS_REQUEST__OUTPUT_FILE;
        m->track.file = &m->direct;
    }
}

static inline void fill(Messages *m, const Short *s)
{
    rpc__start_egress_request__init(&m->request);
    livekit__participant_egress_request__init(&m->participant);
    livekit__track_composite_egress_request__init(&m->composite);
    livekit__track_egress_request__init(&m->track);
    livekit__encoded_file_output__init(&m->file);
    livekit__direct_file_output__init(&m->direct);
    m->file.file_type = s->file_type;
    m->file.filepath = str(s->filepath);
    m->files[0] = m->files[1] = &m->file;
    m->request.egress_id = str("EG_1");
    m->request.room_id = str("RM_1");
    if (s->identity != NULL)
        fill_participant(m, s);
    else if (s->track_id != NULL)
        fill_track(m, s);
    else
        fill_composite(m, s);
}

static const EgConfig config = {
    .api_key = (char *)(guintptr) "key",
    .api_secret = (char *)(guintptr) "secret",
    .ws_url = (char *)(guintptr) "ws://localhost:7880",
    .cost = {.participant = 2, .track_composite = 1, .track = 0.5},
};

static inline EgPlan *plan_of(const Short *s, GError **error)
{
    Messages messages;
    fill(&messages, s);
    return eg_plan_new(&messages.request, &config, error);
}
