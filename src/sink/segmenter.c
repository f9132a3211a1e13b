#include "sink/segmenter.h"

#include <errno.h>
#include <glib/gstdio.h>

#include "base/error.h"
#include "base/time.h"
#include "media/frame.h"
#include "media/h264.h"
#include "sink/file-name.h"
#include "sink/muxer.h"
#include "sink/playlist.h"

/* Times of pictures are rounded to a nanosecond; a key frame that is early by less than this is at
 * its place. */
#define TOLERANCE_NS EG_NS_PER_MS

/* Where nothing comes for longer than that, there is nothing to be played. */
#define HOLE_NS EG_NS_PER_S

/* Frames of one kind wait for the other, so that a cut parts both at the same instant. This much of
 * it is enough to know that nothing will come; an encoder of few pictures a second holds back more
 * than ten. */
#define HELD_NS (60 * EG_NS_PER_S)

#define N_PLAYLISTS 2

struct _EgSegmenter {
    EgFileSeries series;
    char *prefix;
    gint64 duration_ns;
    gint64 origin_wall_ns;
    GstCaps *caps[EG_N_MEDIA];
    EgPlaylist *playlists[N_PLAYLISTS]; /* NULL: there is none */
    EgSinkTeller *teller;
    EgMuxer *muxer;          /* NULL before the first frame */
    GQueue held[EG_N_MEDIA]; /* GstBuffer: not yet written */
    GBytes *parameters;      /* of the pictures so far */

    /* The segment that is being written. */
    char *path; /* NULL: there is none */
    char *recording;
    gint64 start_ns;
    gint64 end_ns; /* of what is in it */
    bool is_discontinuous;

    GMutex lock; /* for these */
    guint64 finished_bytes;
    EgSegmenterStats stats;
};

EgSegmenter *eg_segmenter_new(const EgSegmenterParams *params)
{
    EgSegmenter *segmenter = g_new0(EgSegmenter, 1);
    segmenter->series = params->series;
    segmenter->series.prefix = segmenter->prefix = g_strdup(params->series.prefix);
    segmenter->duration_ns = params->duration_ns;
    segmenter->origin_wall_ns = params->origin_wall_ns;
    segmenter->teller = eg_sink_teller_ref(params->teller);
    gst_caps_replace(&segmenter->caps[EG_MEDIA_AUDIO], params->audio);
    gst_caps_replace(&segmenter->caps[EG_MEDIA_VIDEO], params->video);
    EgPlaylistParams playlist = {.path = params->playlist, .target_ns = params->duration_ns};
    segmenter->playlists[0] = eg_playlist_new(&playlist);
    if (params->live_playlist != NULL) {
        playlist.path = params->live_playlist;
        playlist.window = params->live_segments;
        segmenter->playlists[1] = eg_playlist_new(&playlist);
    }
    g_mutex_init(&segmenter->lock);
    return segmenter;
}

void eg_segmenter_free(EgSegmenter *segmenter)
{
    if (segmenter == NULL)
        return;
    if (segmenter->path != NULL)
        eg_muxer_flush(segmenter->muxer, NULL);
    eg_muxer_free(segmenter->muxer);
    for (guint media = 0; media < EG_N_MEDIA; media++) {
        gst_clear_caps(&segmenter->caps[media]);
        g_queue_clear_full(&segmenter->held[media], (GDestroyNotify)gst_buffer_unref);
    }
    for (guint i = 0; i < N_PLAYLISTS; i++)
        eg_playlist_free(segmenter->playlists[i]);
    g_clear_pointer(&segmenter->parameters, g_bytes_unref);
    eg_sink_teller_unref(segmenter->teller);
    g_mutex_clear(&segmenter->lock);
    g_free(segmenter->prefix);
    g_free(segmenter->path);
    g_free(segmenter->recording);
    g_free(segmenter);
}

static bool write_playlists(EgSegmenter *segmenter, bool is_ended, GError **error)
{
    for (guint i = 0; i < N_PLAYLISTS; i++) {
        EgPlaylist *playlist = segmenter->playlists[i];
        if (playlist == NULL)
            continue;
        g_autoptr(GBytes) content = eg_playlist_write(playlist, is_ended, error);
        if (content == NULL)
            return false;
        eg_sink_tell_completed(segmenter->teller, eg_playlist_path(playlist), content);
    }
    return true;
}

/* One segment. */

static bool open_segment(EgSegmenter *segmenter, gint64 start_ns, GError **error)
{
    segmenter->start_ns = segmenter->end_ns = MAX(start_ns, 0);
    segmenter->path = eg_file_series_path(&segmenter->series, segmenter->stats.n_segments,
                                          segmenter->origin_wall_ns + segmenter->start_ns);
    segmenter->recording = eg_file_recording_name(segmenter->path);
    if (segmenter->muxer != NULL)
        return eg_muxer_begin_part(segmenter->muxer, segmenter->recording, error);
    segmenter->muxer =
        eg_muxer_new(segmenter->recording, EG_FORMAT_TS, segmenter->caps[EG_MEDIA_AUDIO],
                     segmenter->caps[EG_MEDIA_VIDEO], error);
    return segmenter->muxer != NULL;
}

static void count_segment(EgSegmenter *segmenter, guint64 size_bytes)
{
    g_mutex_lock(&segmenter->lock);
    segmenter->finished_bytes += size_bytes;
    segmenter->stats.size_bytes = segmenter->finished_bytes;
    segmenter->stats.duration_ns = segmenter->end_ns;
    segmenter->stats.n_segments++;
    g_mutex_unlock(&segmenter->lock);
}

static void forget_segment(EgSegmenter *segmenter)
{
    g_clear_pointer(&segmenter->path, g_free);
    g_clear_pointer(&segmenter->recording, g_free);
}

/* Complete on the disk first, then under its name, then in the playlists. */
static bool close_segment(EgSegmenter *segmenter, gint64 end_ns, bool is_last, GError **error)
{
    bool is_written = is_last ? eg_muxer_finish(segmenter->muxer, error)
                              : eg_muxer_end_part(segmenter->muxer, error);
    if (!is_written)
        return false;
    if (g_rename(segmenter->recording, segmenter->path) != 0) {
        eg_error_set_errno(error, errno, "write", segmenter->path);
        forget_segment(segmenter); /* it is complete, and stays where it is */
        return false;
    }
    eg_sink_tell_completed(segmenter->teller, segmenter->path, NULL);
    const EgPlaylistSegment segment = {
        .path = segmenter->path,
        .duration_ns = end_ns - segmenter->start_ns,
        .wall_ns = segmenter->origin_wall_ns + segmenter->start_ns,
        .is_discontinuous = segmenter->is_discontinuous,
    };
    for (guint i = 0; i < N_PLAYLISTS; i++) {
        if (segmenter->playlists[i] != NULL)
            eg_playlist_add(segmenter->playlists[i], &segment);
    }
    count_segment(segmenter, eg_muxer_size_bytes(segmenter->muxer));
    segmenter->is_discontinuous = false;
    forget_segment(segmenter);
    return write_playlists(segmenter, is_last, error);
}

/* Where to cut. */

static bool may_begin(const EgSegmenter *segmenter, EgMedia media, const GstBuffer *frame)
{
    if (segmenter->caps[EG_MEDIA_VIDEO] == NULL)
        return true;
    return media == EG_MEDIA_VIDEO && eg_frame_is_key(frame);
}

/* Whole durations up to the instant. */
static gint64 count_durations(const EgSegmenter *segmenter, gint64 pts_ns)
{
    return (pts_ns + TOLERANCE_NS) / segmenter->duration_ns;
}

/* At the multiples of the duration, so that what an encoder skips shifts nothing; but no pieces
 * where key frames come as they like. */
static bool is_due(const EgSegmenter *segmenter, gint64 pts_ns)
{
    gint64 length_ns = pts_ns - segmenter->start_ns + TOLERANCE_NS;
    bool is_new =
        count_durations(segmenter, pts_ns) > count_durations(segmenter, segmenter->start_ns);
    return length_ns >= segmenter->duration_ns ||
           (is_new && 2 * length_ns > segmenter->duration_ns);
}

static bool is_cut(const EgSegmenter *segmenter, EgMedia media, const GstBuffer *frame)
{
    return segmenter->path != NULL && may_begin(segmenter, media, frame) &&
           is_due(segmenter, eg_frame_pts(frame));
}

/* A picture of another size, for example. */
static bool changes_parameters(EgSegmenter *segmenter, EgMedia media, const GstBuffer *frame)
{
    if (media != EG_MEDIA_VIDEO || !eg_frame_is_key(frame))
        return false;
    g_autoptr(GBytes) parameters = eg_h264_parameters(frame);
    if (parameters == NULL ||
        (segmenter->parameters != NULL && g_bytes_equal(parameters, segmenter->parameters)))
        return false;
    bool is_change = segmenter->parameters != NULL;
    g_clear_pointer(&segmenter->parameters, g_bytes_unref);
    segmenter->parameters = g_steal_pointer(&parameters);
    return is_change;
}

/* Closes the segment before the frame if one begins with it. */
static bool cut(EgSegmenter *segmenter, EgMedia media, const GstBuffer *frame, GError **error)
{
    gint64 pts_ns = eg_frame_pts(frame);
    bool is_change = changes_parameters(segmenter, media, frame);
    if (segmenter->path == NULL)
        return true;
    bool is_hole = may_begin(segmenter, media, frame) && pts_ns > segmenter->end_ns + HOLE_NS;
    if (!is_change && !is_hole && !is_cut(segmenter, media, frame))
        return true;
    if (!close_segment(segmenter, is_hole ? segmenter->end_ns : pts_ns, false, error))
        return false;
    segmenter->is_discontinuous = is_change || is_hole;
    return true;
}

static bool write_frame(EgSegmenter *segmenter, EgMedia media, GstBuffer *frame, GError **error)
{
    gint64 pts_ns = eg_frame_pts(frame);
    if (!cut(segmenter, media, frame, error) ||
        (segmenter->path == NULL && !open_segment(segmenter, pts_ns, error)) ||
        !eg_muxer_write(segmenter->muxer, media, frame, error))
        return false;
    gint64 end_ns = pts_ns;
    if (GST_BUFFER_DURATION_IS_VALID(frame))
        end_ns += (gint64)GST_BUFFER_DURATION(frame);
    segmenter->end_ns = MAX(segmenter->end_ns, end_ns);
    return true;
}

/* The order of the two kinds. */

/* By decoding time, as players like it; but a picture that begins a segment has its place behind
 * all sound that belongs before it. */
static gint64 place_of(const EgSegmenter *segmenter, EgMedia media, const GstBuffer *frame)
{
    return is_cut(segmenter, media, frame) ? eg_frame_pts(frame) : eg_frame_dts(frame);
}

static bool has_enough(EgSegmenter *segmenter, EgMedia media)
{
    const GQueue *held = &segmenter->held[media];
    return held->length > 0 && eg_frame_dts(g_queue_peek_tail((GQueue *)held)) -
                                       eg_frame_dts(g_queue_peek_head((GQueue *)held)) >
                                   HELD_NS;
}

/* The kind of the frame that comes next; EG_N_MEDIA: that is not known yet, or there is none. */
static EgMedia choose(EgSegmenter *segmenter, bool is_end)
{
    const GstBuffer *audio = g_queue_peek_head(&segmenter->held[EG_MEDIA_AUDIO]);
    const GstBuffer *video = g_queue_peek_head(&segmenter->held[EG_MEDIA_VIDEO]);
    if (audio != NULL && video != NULL)
        return place_of(segmenter, EG_MEDIA_AUDIO, audio) <
                       place_of(segmenter, EG_MEDIA_VIDEO, video)
                   ? EG_MEDIA_AUDIO
                   : EG_MEDIA_VIDEO;
    EgMedia media = audio != NULL ? EG_MEDIA_AUDIO : EG_MEDIA_VIDEO;
    EgMedia other = audio != NULL ? EG_MEDIA_VIDEO : EG_MEDIA_AUDIO;
    bool is_certain = is_end || segmenter->caps[other] == NULL || has_enough(segmenter, media);
    return is_certain && (audio != NULL || video != NULL) ? media : EG_N_MEDIA;
}

static bool write_held(EgSegmenter *segmenter, bool is_end, GError **error)
{
    EgMedia media;
    while ((media = choose(segmenter, is_end)) != EG_N_MEDIA) {
        g_autoptr(GstBuffer) frame = g_queue_pop_head(&segmenter->held[media]);
        if (!write_frame(segmenter, media, frame, error))
            return false;
    }
    return true;
}

/* Whole. */

static void note_size(EgSegmenter *segmenter)
{
    guint64 size_bytes = segmenter->path != NULL ? eg_muxer_size_bytes(segmenter->muxer) : 0;
    g_mutex_lock(&segmenter->lock);
    segmenter->stats.size_bytes = segmenter->finished_bytes + size_bytes;
    segmenter->stats.duration_ns = segmenter->end_ns;
    g_mutex_unlock(&segmenter->lock);
}

/* What is broken goes; what was complete can be played as it is. */
static void give_up(EgSegmenter *segmenter, GError *failure, GError **error)
{
    if (segmenter->path != NULL) {
        g_clear_pointer(&segmenter->muxer, eg_muxer_free);
        g_unlink(segmenter->recording);
        forget_segment(segmenter);
    }
    g_autoptr(GError) own = failure;
    if (segmenter->stats.n_segments == 0 || !write_playlists(segmenter, true, NULL)) {
        g_propagate_error(error, g_steal_pointer(&own));
        return;
    }
    eg_error_set(error, eg_error_code(own), eg_error_blame(own),
                 "%s; the %" G_GUINT64_FORMAT " segments before are kept", own->message,
                 segmenter->stats.n_segments);
}

bool eg_segmenter_push(EgSegmenter *segmenter, EgMedia media, GstBuffer *frame, GError **error)
{
    GError *failure = NULL;
    g_queue_push_tail(&segmenter->held[media], frame);
    if (!write_held(segmenter, false, &failure)) {
        give_up(segmenter, failure, error);
        return false;
    }
    note_size(segmenter);
    return true;
}

bool eg_segmenter_finish(EgSegmenter *segmenter, GError **error)
{
    GError *failure = NULL;
    if (!write_held(segmenter, true, &failure) ||
        (segmenter->path != NULL && !close_segment(segmenter, segmenter->end_ns, true, &failure))) {
        give_up(segmenter, failure, error);
        return false;
    }
    if (segmenter->stats.n_segments > 0)
        return true;
    eg_error_set(error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_REQUEST,
                 "nothing was recorded for %s", segmenter->prefix);
    return false;
}

void eg_segmenter_get_stats(const EgSegmenter *segmenter, EgSegmenterStats *stats)
{
    EgSegmenter *shared = (EgSegmenter *)segmenter;
    g_mutex_lock(&shared->lock);
    *stats = shared->stats;
    g_mutex_unlock(&shared->lock);
}
