#pragma once

#include <gst/gst.h>

#include "base/log.h"
#include "base/loop.h"
#include "media/pacer.h"
#include "request/plan.h"
#include "room/packet.h"

/* Everything between the packets of the tracks and the coded frames of the outputs:
 *
 *     packets -> depacketizer -+-> decoder -> pacer -> encoder -+-> frames
 *                              |      raw ------^  +-> pictures |
 *                              +-------- passthrough -----------+
 *
 * Session thread only. `ready`, `frame` and `wants_key_frame` flow with the data: they may
 * come from inside a push and must not call back into the graph; the others never do. */
typedef struct _EgGraph EgGraph;
typedef struct _EgGraphTrack EgGraphTrack;

/* What the graph puts out; of a kind that there is none of, codec and caps are NONE and NULL. */
typedef struct {
    EgCodec audio_codec;
    EgCodec video_codec;
    GstCaps *audio_caps; /* borrowed */
    GstCaps *video_caps;
    gint64 origin_ns; /* the instant (monotonic) that PTS 0 stands for */
} EgGraphOutput;

typedef struct {
    /* Frames will follow: the outputs can be opened. Once. */
    void (*ready)(gpointer user, const EgGraphOutput *output);
    /* A coded frame (transfer full), only after `ready`. */
    void (*frame)(gpointer user, EgMedia media, GstBuffer *frame);
    /* Nothing of this kind comes before `until_ns` (PTS): nobody need wait for it. After `ready`.
     */
    void (*gap)(gpointer user, EgMedia media, gint64 until_ns);
    /* A raw picture as it is put out (I420 of the encoding's size, (transfer full), not to be
     * written to), if `wants_pictures`. After `ready`. */
    void (*picture)(gpointer user, GstBuffer *picture);
    void (*wants_key_frame)(gpointer user, gpointer track_user, bool wants);
    /* After eg_graph_finish(), after the last frame. */
    void (*drained)(gpointer user);
    void (*failed)(gpointer user, const GError *error);
} EgGraphEvents;

typedef struct {
    EgPacerStats pacer;     /* zero in passthrough */
    guint64 dropped_frames; /* incomplete or not decodable */
    gint64 recorded_ns;     /* how far the output has come; 0 before it began */
} EgGraphStats;

typedef struct {
    EgProcessing processing;
    EgVideoEncoding video; /* if it encodes; a codec NONE: no coded video is put out */
    EgAudioEncoding audio;
    bool wants_pictures; /* as they are put out, also where none are encoded */
    EgVideoEncoderConfig video_encoder;
    /* In passthrough: when none has come for so long, the sender is asked for a key frame; 0: it
     * sends them as it likes. */
    gint64 key_frame_interval_ns;
    gint64 latency_ns; /* how long what is late is waited for */
    /* Whether tracks of either kind may still be published, beyond those that are added before
     * eg_graph_start(). */
    bool may_have_audio;
    bool may_have_video;
} EgGraphParams;

EgGraph *eg_graph_new(EgLoop *loop, const EgGraphParams *params, const EgLog *log,
                      const EgGraphEvents *events, gpointer user, GError **error);
void eg_graph_free(EgGraph *graph); /* with all its tracks */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgGraph, eg_graph_free)

typedef struct {
    const char *participant; /* its tracks share one clock */
    EgMedia media;
    EgCodec codec; /* that will probably come (or NONE): it is made ready, so that the first packets
                      need not wait */
    bool is_muted;
    EgRoute route; /* where its sound goes, if it is mixed */
    guint rank;    /* of its pictures: the lowest that there is is shown */
} EgGraphTrackParams;

EgGraphTrack *eg_graph_add_track(EgGraph *graph, const EgGraphTrackParams *params,
                                 gpointer track_user);
void eg_graph_track_start(EgGraphTrack *track, EgCodec codec, guint clock_rate_hz);
void eg_graph_track_push(EgGraphTrack *track, EgPacket *packet);
void eg_graph_track_report(EgGraphTrack *track, const EgSenderReport *report);
void eg_graph_track_end(EgGraphTrack *track);
void eg_graph_track_set_muted(EgGraphTrack *track, bool is_muted);
void eg_graph_track_remove(EgGraphTrack *track);

/* What is neither coded nor in packets: pictures in the encoding's size (I420, BT.709 limited), or
 * sound (interleaved F32LE, stereo, of this rate). Only where it encodes. The graph's; not for the
 * functions above. */
EgGraphTrack *eg_graph_add_raw(EgGraph *graph, EgMedia media, guint rate_hz);

/* (transfer full); PTS is the instant. */
void eg_graph_push_raw(EgGraphTrack *track, GstBuffer *buffer);

/* All tracks that there are have been added: what has nothing to send is not waited for for ever.
 */
void eg_graph_start(EgGraph *graph);

/* After `ready`: it is known that the output will end at the instant `end_ns`, so that nothing
 * later is put out ahead of time. eg_graph_finish() still has to be called. */
void eg_graph_set_end(EgGraph *graph, gint64 end_ns);

/* No more media: the output ends at the instant `end_ns` (monotonic). Frames in flight are put out,
 * then `drained` comes. */
void eg_graph_finish(EgGraph *graph, gint64 end_ns);

void eg_graph_get_stats(const EgGraph *graph, EgGraphStats *stats);

/* All that GStreamer does in it, in the language of Graphviz; a new string. */
char *eg_graph_describe(const EgGraph *graph);
