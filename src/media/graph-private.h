#pragma once

#include "media/depacketizer.h"
#include "media/graph.h"
#include "media/timeline.h"

/* The two ways through the graph (graph-encode.c, graph-passthrough.c) share what comes before
 * them, timeline and depacketizer, and what comes after, the gate (graph.c). */
typedef struct {
    bool (*init)(EgGraph *graph, GError **error);
    void (*finish)(EgGraph *graph);
    void (*start)(EgGraph *graph);
    void (*set_end)(EgGraph *graph, gint64 end_ns); /* NULL: nothing comes ahead of time */
    void (*end)(EgGraph *graph, gint64 end_ns);
    bool (*stream_started)(EgGraphTrack *track, GError **error);
    void (*stream_ended)(EgGraphTrack *track);
    void (*caps)(EgGraphTrack *track, GstCaps *caps);
    void (*frame)(EgGraphTrack *track, GstBuffer *frame); /* (transfer full), PTS is the instant */
    void (*muted)(EgGraphTrack *track);
    /* Of raw media; NULL: it takes none. */
    void (*raw_added)(EgGraphTrack *track, guint rate_hz);
    void (*raw)(EgGraphTrack *track, GstBuffer *buffer); /* (transfer full) */
    void (*get_stats)(const EgGraph *graph, EgGraphStats *stats);
    /* Appends its pipelines in the language of Graphviz; NULL: it has none. */
    void (*describe)(const EgGraph *graph, GString *text);
} EgGraphClass;

extern const EgGraphClass eg_graph_encode;
extern const EgGraphClass eg_graph_passthrough;

/* Holds coded frames back until all kinds that there will be are known. */
typedef struct {
    bool is_expected[EG_N_MEDIA];
    EgCodec codecs[EG_N_MEDIA];
    GstCaps *caps[EG_N_MEDIA];
    GQueue held[EG_N_MEDIA]; /* GstBuffer */
    bool is_open;
} EgGate;

struct _EgGraph {
    EgLoop *loop;
    EgGraphParams params;
    const EgLog *log;
    EgGraphEvents events;
    gpointer user;
    const EgGraphClass *class;
    gpointer variant; /* of the class */
    EgTimeline *timeline;
    GPtrArray *tracks; /* EgGraphTrack */
    EgGate gate;
    gint64 origin_ns;       /* EG_TIME_NONE until the first media */
    guint64 dropped_frames; /* of streams that have ended */
    EgTimer *failure_timer;
    GError *failure; /* the first one; NULL while all is well */
};

struct _EgGraphTrack {
    EgGraph *graph;
    char *participant;
    EgMedia media;
    bool is_muted;
    EgRoute route;
    guint rank;
    gpointer user;
    gpointer variant;        /* of the class */
    EgCodec announced_codec; /* what will probably come; or NONE */
    EgCodec codec;           /* of the stream that runs; NONE between streams */
    EgTimelineTrack *timeline;
    EgDepacketizer *depacketizer;
};

/* The gate: says what comes, then passes it on. Frames are (transfer full). */
void eg_graph_expect(EgGraph *graph, EgMedia media, EgCodec codec);
void eg_graph_put_caps(EgGraph *graph, EgMedia media, GstCaps *caps);
void eg_graph_put_frame(EgGraph *graph, EgMedia media, GstBuffer *frame);

/* Opens the gate where no coded frames will come. */
void eg_graph_put_nothing(EgGraph *graph);

/* Has `failed` called, once, from the loop. Takes the error. Session thread. */
void eg_graph_fail(EgGraph *graph, GError *error);
