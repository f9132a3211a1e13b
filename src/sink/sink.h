#pragma once

#include <gst/gst.h>

#include "base/log.h"
#include "base/loop.h"
#include "request/format.h"
#include "sink/file-series.h"

/* Where coded frames go. One table of kinds; an instance is one output of an egress. */
typedef struct _EgSink EgSink;

typedef enum {
    EG_SINK_NONE,
    EG_SINK_FILE,
    EG_SINK_SEGMENTS,  /* files of some seconds each, and playlists of them */
    EG_SINK_IMAGES,    /* a raw picture now and then, as an image */
    EG_SINK_STREAM,    /* to a server that takes RTMP or SRT */
    EG_SINK_WEBSOCKET, /* raw sound to whoever listens */
    EG_SINK_NULL,      /* counts; for tests and measurements */
    EG_N_SINKS,
} EgSinkKind;

typedef struct {
    const EgLog *log;
    EgFormat format;
    /* Where the finished file will be, in one piece. Until then it is `out.recording.mp4` for
     * `out.mp4`; what a crash has left of an earlier one becomes `out-recovered.mp4`, beside the
     * recording. */
    const char *path;
    bool is_fragmented; /* an MP4 stays in the fragments that it was written in: it is not copied */
    const char *url;    /* of a stream; with its secrets, which are not logged */
    /* Of segments and images: the names of the files. */
    EgFileSeries series;
    gint64 origin_wall_ns; /* the instant of PTS 0, since the Unix epoch */
    struct {
        const char *playlist;
        const char *live_playlist; /* NULL: none */
        guint live_segments;       /* that it names */
        gint64 duration_ns;
    } segments;
    struct {
        EgImageFormat format;
        gint64 interval_ns;
        guint width; /* 0: as the pictures, or by their shape */
        guint height;
    } images;
    GstCaps *pictures; /* of the raw ones, for images; borrowed */
    GstCaps *audio;    /* of the coded frames; NULL: none. Borrowed */
    GstCaps *video;
    /* Of a stream: for how long one that was lost is tried again (0: for ever), and whose
     * certificates are trusted (NULL: those the system trusts). */
    gint64 retry_ns;
    const char *ca_cert_file;
    bool takes_any_certificate;
} EgSinkParams;

typedef struct {
    guint64 size_bytes;
    gint64 duration_ns; /* from the first to the end of the last frame */
    guint64 n_files;    /* that are complete, of segments and images */
    /* Of a stream; instants since the Unix epoch, 0: never. */
    gint64 started_ns; /* the server has agreed to take it */
    gint64 last_retry_ns;
    guint retries;
    bool is_connected;
    guint64 dropped_frames; /* that the server was too slow for */
} EgSinkStats;

/* A file that is complete: others may read it. */
typedef struct {
    const char *path;
    GBytes *content; /* of one that newer ones of its name replace (a playlist); NULL: it stays */
} EgSinkFile;

/* A file that is being written: how much of it has its final form and is on the disk. */
typedef struct {
    const char *path;       /* where it will be when it is complete */
    const char *unfinished; /* where it is until then */
    guint64 stable_from;    /* from here on to `size_bytes`; what is before is written again */
    guint64 size_bytes;
} EgSinkGrowth;

typedef struct {
    /* The output is finished and in its place. */
    void (*drained)(gpointer user);
    /* It cannot go on (disk full); what was written until then is kept, playable, where the error
     * says. The last event. */
    void (*failed)(gpointer user, const GError *error);
    /* May be NULL. A stream was connected, or was lost and is tried again: see the statistics. */
    void (*changed)(gpointer user);
    /* May be NULL. In the order in which they were completed, and before `drained`. */
    void (*completed)(gpointer user, const EgSinkFile *file);
    /* May be NULL; comes only with `completed`. A file has grown. What was said of it holds until
     * it is completed, and of one that is not, nothing does. */
    void (*grown)(gpointer user, const EgSinkGrowth *growth);
} EgSinkEvents;

/* Opens the destination: what is wrong with it is known here, at once. */
EgSink *eg_sink_new(EgSinkKind kind, EgLoop *loop, const EgSinkParams *params,
                    const EgSinkEvents *events, gpointer user, GError **error);

/* An output that was not drained keeps what it has under its unfinished name. Waits for what was
 * pushed to be written. */
void eg_sink_free(EgSink *sink);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgSink, eg_sink_free)

/* Session thread; (transfer full). Never blocks: what does not fit into the bounded queue (32 MB)
 * is a failure of the destination; a stream leaves out pictures. Times as in media/frame.h, from 0;
 * frames of one kind in decoding order. A kind that says nothing for long holds up nothing. */
void eg_sink_push(EgSink *sink, EgMedia media, GstBuffer *frame);

/* The same of a raw picture; not to be written to. One that there is no time for is dropped. */
void eg_sink_push_picture(EgSink *sink, GstBuffer *picture);

/* Tells whoever listens, where there is a way to, that the track that is heard is muted, or is not
 * any more, from the instant `from_ns` (PTS) on: in front of the first frame of then. */
void eg_sink_set_muted(EgSink *sink, bool is_muted, gint64 from_ns);

/* Ends the output; then `drained` or `failed`, at the latest when nothing was written for a minute.
 * A file is copied once, which takes seconds for a long one. */
void eg_sink_drain(EgSink *sink);

void eg_sink_get_stats(const EgSink *sink, EgSinkStats *stats); /* any thread */

/* What a sink has left that was not drained: its process has died, or it has failed. */
typedef struct {
    GPtrArray *files;    /* char *, paths of all that are complete, in their order */
    GPtrArray *replaced; /* char *, of those that newer ones would have replaced, now in their last
                            form; they come after the others */
    gint64 duration_ns;  /* of what was unfinished; 0: nothing was */
} EgSinkRemains;

void eg_sink_remains_clear(EgSinkRemains *remains);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EgSinkRemains, eg_sink_remains_clear)

/* Completes what can be, as the sink would have. Only the log, the format and the names count of
 * the parameters; the sink must not be there any more. Takes as long as copying a file; ends early
 * when `*is_canceled` (atomic). Any thread. */
void eg_sink_recover(EgSinkKind kind, const EgSinkParams *params, const gint *is_canceled,
                     EgSinkRemains *remains);
