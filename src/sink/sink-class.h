#pragma once

#include "sink/sink.h"

/* What tells of files that are complete, or have grown, from whichever thread writes them. */
typedef struct _EgSinkTeller EgSinkTeller;

/* Any thread; NULL (nobody wants to know) is fine. */
void eg_sink_tell_completed(EgSinkTeller *teller, const char *path, GBytes *content);
void eg_sink_tell_grown(EgSinkTeller *teller, const EgSinkGrowth *growth);
EgSinkTeller *eg_sink_teller_ref(EgSinkTeller *teller);
void eg_sink_teller_unref(EgSinkTeller *teller);

/* A kind of sink. Its instances begin with an EgSink, which sink.c fills in. */
typedef struct {
    const char *name;
    gsize instance_bytes;
    /* Opens the destination. On failure nothing is left but what `free` can handle. */
    bool (*open)(EgSink *sink, const EgSinkParams *params, GError **error);
    void (*push)(EgSink *sink, EgMedia media, GstBuffer *frame); /* (transfer full) */
    void (*push_picture)(EgSink *sink, GstBuffer *picture); /* raw, (transfer full); NULL: none */
    void (*set_muted)(EgSink *sink, bool is_muted, gint64 from_ns); /* NULL: nobody is told */
    void (*drain)(EgSink *sink);
    void (*get_stats)(const EgSink *sink, EgSinkStats *stats); /* any thread */
    void (*free)(EgSink *sink); /* what the kind has; sink.c frees the instance */
    /* NULL: it leaves nothing. The lists are there; any thread. */
    void (*recover)(const EgSinkParams *params, const gint *is_canceled, EgSinkRemains *remains);
} EgSinkClass;

struct _EgSink {
    const EgSinkClass *class;
    EgLoop *loop;
    const EgLog *log;
    EgSinkEvents events;
    gpointer user;
    EgSinkTeller *teller; /* NULL: nobody wants to know of files */
};

/* The last that a sink (EgSink *) says: that it has failed, or, without an error, is drained. */
void eg_sink_tell_ended(gpointer sink, const GError *error);

extern const EgSinkClass eg_sink_file;
extern const EgSinkClass eg_sink_segments;
extern const EgSinkClass eg_sink_images;
extern const EgSinkClass eg_sink_stream;
extern const EgSinkClass eg_sink_websocket;
extern const EgSinkClass eg_sink_null;
