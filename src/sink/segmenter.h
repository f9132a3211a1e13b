#pragma once

#include <gst/gst.h>
#include <stdbool.h>

#include "request/codec.h"
#include "sink/file-series.h"
#include "sink/sink-class.h"

/* Cuts coded frames into MPEG-TS files and keeps their playlists. Whoever calls waits for the disk.
 * One thread at a time, except for eg_segmenter_get_stats(). */
typedef struct _EgSegmenter EgSegmenter;

typedef struct {
    EgFileSeries series;
    const char *playlist;
    const char *live_playlist; /* NULL: none */
    guint live_segments;       /* how many that names */
    gint64 duration_ns;        /* of a segment */
    gint64 origin_wall_ns;     /* the instant of PTS 0, since the Unix epoch */
    EgSinkTeller *teller;      /* is told of files; NULL: nobody */
    GstCaps *audio;            /* NULL: none. Borrowed, like everything here */
    GstCaps *video;
} EgSegmenterParams;

EgSegmenter *eg_segmenter_new(const EgSegmenterParams *params);

/* What is in the unfinished segment stays beside the others, as `x_00003.recording.ts`; the
 * playlists stay open. */
void eg_segmenter_free(EgSegmenter *segmenter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgSegmenter, eg_segmenter_free)

/* (transfer full). Times as in media/frame.h; frames of one kind in decoding order. A segment
 * begins with a key frame, at each multiple of the duration if there is one, else with the first
 * after that; sound goes to the segment of its time. After an error nothing but free; what was
 * complete before is kept and its playlists are ended. */
bool eg_segmenter_push(EgSegmenter *segmenter, EgMedia media, GstBuffer *frame, GError **error);

/* The last segment, and the end of the playlists. */
bool eg_segmenter_finish(EgSegmenter *segmenter, GError **error);

typedef struct {
    guint64 size_bytes;
    gint64 duration_ns;
    guint64 n_segments; /* that are complete */
} EgSegmenterStats;

void eg_segmenter_get_stats(const EgSegmenter *segmenter, EgSegmenterStats *stats); /* any thread */
