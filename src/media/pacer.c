#include "media/pacer.h"

#include <string.h>

#include "base/time.h"
#include "media/mixer.h"
#include "media/pacer-picture.h"
#include "media/pacer-sound.h"

/* How much longer than the latency a picture waits for room in the encoder before it is skipped,
 * and how soon to look again for what is waited for. */
#define ROOM_GRACE_NS (500 * EG_NS_PER_MS)
#define RETRY_NS      (5 * EG_NS_PER_MS)

/* Pictures that an input keeps beyond those of the latency and the grace. */
#define MORE_PICTURES 8

/* Sums are bent beyond this; a single track only where it is beyond full scale anyway. */
#define LIMITER_KNEE 0.9F

#define STEREO_BYTES (2 * sizeof(float))

struct _EgPacer {
    EgPacerParams params;
    EgPacerEvents events;
    gpointer user;
    GPtrArray *inputs; /* EgPacerInput, in the order of adding */
    bool has_started;
    bool has_finished;
    gint64 end_ns;    /* after the origin; nothing later is put out */
    gint64 end_frame; /* of sound: the same */
    gint64 origin_ns;
    gint64 now_ns;     /* of the last run */
    gint64 backlog_ns; /* how much further behind than usual pictures may be, since the start was */
    bool has_run;
    gint64 tick;           /* the next one */
    bool tick_was_skipped; /* the one before it */
    gint64 frame;          /* the next one of sound */
    guint64 serial;        /* of the last picture that was pushed */
    guint64 shown;         /* serial of the last picture that was put out; 0: black */
    EgPacerStats stats;
};

struct _EgPacerInput {
    EgPacer *pacer;
    EgPictureInput *pictures; /* NULL: sound */
    EgSoundInput *sound;      /* NULL: pictures */
    EgRoute route;
    guint rank; /* of pictures */
    bool has_ended;
};

static void free_input(gpointer data)
{
    EgPacerInput *input = data;

    eg_picture_input_free(input->pictures);
    eg_sound_input_free(input->sound);
    g_free(input);
}

EgPacer *eg_pacer_new(const EgPacerParams *params, const EgPacerEvents *events, gpointer user)
{
    g_assert(params->fps == 0 || params->black != NULL);
    g_assert(params->rate_hz == 0 || params->block_frames > 0);
    EgPacer *pacer = g_new0(EgPacer, 1);

    pacer->params = *params;
    if (pacer->params.black != NULL)
        gst_buffer_ref(pacer->params.black);
    pacer->events = *events;
    pacer->user = user;
    pacer->inputs = g_ptr_array_new_with_free_func(free_input);
    pacer->end_ns = G_MAXINT64;
    pacer->end_frame = G_MAXINT64;
    return pacer;
}

void eg_pacer_free(EgPacer *pacer)
{
    if (pacer == NULL)
        return;
    g_ptr_array_unref(pacer->inputs);
    gst_clear_buffer(&pacer->params.black);
    g_free(pacer);
}

/* Ticks and frames since the origin; exact for ever. */

static gint64 tick_pts(const EgPacer *pacer, gint64 tick)
{
    return (gint64)gst_util_uint64_scale((guint64)tick, (guint64)EG_NS_PER_S, pacer->params.fps);
}

static gint64 frame_pts(const EgPacer *pacer, gint64 frame)
{
    return (gint64)gst_util_uint64_scale((guint64)frame, (guint64)EG_NS_PER_S,
                                         pacer->params.rate_hz);
}

void eg_pacer_start(EgPacer *pacer, gint64 origin_ns)
{
    g_assert(!pacer->has_started);
    pacer->has_started = true;
    pacer->origin_ns = origin_ns;
    for (guint i = 0; i < pacer->inputs->len; i++) {
        EgPacerInput *input = pacer->inputs->pdata[i];
        if (input->pictures != NULL)
            eg_picture_input_start(input->pictures, origin_ns);
        else
            eg_sound_input_start(input->sound, origin_ns, 0);
    }
}

static EgPacerInput *add_input(EgPacer *pacer)
{
    EgPacerInput *input = g_new0(EgPacerInput, 1);

    input->pacer = pacer;
    g_ptr_array_add(pacer->inputs, input);
    return input;
}

EgPacerInput *eg_pacer_add_video(EgPacer *pacer, guint rank)
{
    g_assert(pacer->params.fps > 0);
    EgPacerInput *input = add_input(pacer);
    gint64 kept_ns = pacer->params.latency_ns + ROOM_GRACE_NS;
    guint limit = (guint)(kept_ns * pacer->params.fps / EG_NS_PER_S) + MORE_PICTURES;

    input->rank = rank;
    input->pictures =
        eg_picture_input_new(pacer->params.fps, pacer->params.hold_ns, limit, &pacer->stats);
    if (pacer->has_started)
        eg_picture_input_start(input->pictures, pacer->origin_ns);
    return input;
}

EgPacerInput *eg_pacer_add_audio(EgPacer *pacer, EgRoute route)
{
    g_assert(pacer->params.rate_hz > 0);
    EgPacerInput *input = add_input(pacer);

    input->route = route;
    input->sound =
        eg_sound_input_new(pacer->params.rate_hz, pacer->params.latency_ns, &pacer->stats);
    if (pacer->has_started)
        eg_sound_input_start(input->sound, pacer->origin_ns, pacer->frame);
    return input;
}

void eg_pacer_input_set_rate(EgPacerInput *input, guint rate_hz)
{
    eg_sound_input_set_rate(input->sound, rate_hz);
}

void eg_pacer_input_end(EgPacerInput *input)
{
    eg_pacer_input_set_live(input, false);
    input->has_ended = true;
}

void eg_pacer_input_push(EgPacerInput *input, GstBuffer *buffer)
{
    EgPacer *pacer = input->pacer;

    if (pacer->has_finished)
        gst_buffer_unref(buffer);
    else if (input->pictures != NULL)
        eg_picture_input_push(input->pictures, buffer, ++pacer->serial, pacer->tick);
    else
        eg_sound_input_push(input->sound, buffer);
}

void eg_pacer_input_set_live(EgPacerInput *input, bool is_live)
{
    if (input->pictures != NULL)
        eg_picture_input_set_live(input->pictures, is_live, input->pacer->now_ns);
    else
        eg_sound_input_set_live(input->sound, is_live);
}

/* Pictures. */

typedef struct {
    EgPicture picture; /* serial 0: black */
    bool is_complete;  /* no other can come for this tick */
} Choice;

/* Of the tracks that have a picture for the tick the preferred one. Black is certain only when all
 * tracks that may send have something for later. */
static Choice choose_picture(const EgPacer *pacer)
{
    gint64 tick_ns = pacer->origin_ns + tick_pts(pacer, pacer->tick);
    Choice choice = {0};
    guint best_rank = 0;
    guint n_live = 0;
    guint n_past = 0;

    for (guint i = pacer->inputs->len; i > 0; i--) {
        const EgPacerInput *input = pacer->inputs->pdata[i - 1];
        if (input->pictures == NULL)
            continue;
        bool is_live = eg_picture_input_is_live(input->pictures);
        bool is_past = is_live && eg_picture_input_is_past(input->pictures, pacer->tick);
        EgPicture picture = eg_picture_input_at(input->pictures, pacer->tick, tick_ns);
        n_live += is_live;
        n_past += is_past;
        if (picture.serial == 0 || (choice.picture.serial != 0 && input->rank >= best_rank))
            continue;
        choice = (Choice){picture, is_past};
        best_rank = input->rank;
    }
    if (choice.picture.serial == 0)
        choice.is_complete = n_live > 0 && n_live == n_past;
    return choice;
}

/* The buffer is new, its memory that of the picture. */
static void put_picture(EgPacer *pacer, const EgPicture *picture, gint64 duration_ns)
{
    GstBuffer *source = picture->serial != 0 ? picture->buffer : pacer->params.black;
    GstBuffer *buffer =
        gst_buffer_copy_region(source, GST_BUFFER_COPY_META | GST_BUFFER_COPY_MEMORY, 0, (gsize)-1);

    GST_BUFFER_PTS(buffer) = (GstClockTime)tick_pts(pacer, pacer->tick);
    GST_BUFFER_DURATION(buffer) = (GstClockTime)duration_ns;
    if (picture->serial == 0)
        pacer->stats.black++;
    else if (picture->serial == pacer->shown)
        pacer->stats.repeated++;
    pacer->stats.pictures++;
    pacer->shown = picture->serial;
    pacer->events.picture(pacer->user, buffer);
}

static void end_tick(EgPacer *pacer)
{
    for (guint i = 0; i < pacer->inputs->len; i++) {
        EgPacerInput *input = pacer->inputs->pdata[i];
        if (input->pictures != NULL)
            eg_picture_input_release(input->pictures, pacer->tick);
    }
    pacer->tick++;
}

static gint64 picture_due(const EgPacer *pacer)
{
    return pacer->origin_ns + tick_pts(pacer, pacer->tick) + pacer->params.latency_ns;
}

/* True if a tick was made, or skipped. */
static bool make_tick(EgPacer *pacer)
{
    if (pacer->params.fps == 0 || tick_pts(pacer, pacer->tick) >= pacer->end_ns)
        return false;
    gint64 behind_ns = pacer->now_ns - picture_due(pacer);
    Choice choice = choose_picture(pacer);
    if (!choice.is_complete && behind_ns < 0)
        return false;
    pacer->backlog_ns = CLAMP(behind_ns, 0, pacer->backlog_ns);
    bool has_room = pacer->events.picture_has_room(pacer->user);
    if (!has_room && behind_ns <= pacer->backlog_ns + ROOM_GRACE_NS)
        return false;
    if (has_room) {
        gint64 next_ns = tick_pts(pacer, pacer->tick + 1);
        put_picture(pacer, &choice.picture, next_ns - tick_pts(pacer, pacer->tick));
    }
    pacer->tick_was_skipped = !has_room;
    pacer->stats.skipped += !has_room;
    end_tick(pacer);
    return true;
}

/* Sound. */

static gint64 sound_due(const EgPacer *pacer)
{
    gint64 end = MIN(pacer->frame + pacer->params.block_frames, pacer->end_frame);
    return pacer->origin_ns + frame_pts(pacer, end) + pacer->params.latency_ns;
}

static bool is_sound_complete(const EgPacer *pacer, gint64 end)
{
    guint n_live = 0;

    for (guint i = 0; i < pacer->inputs->len; i++) {
        const EgPacerInput *input = pacer->inputs->pdata[i];
        if (input->sound == NULL || !eg_sound_input_is_live(input->sound))
            continue;
        if (!eg_sound_input_is_complete(input->sound, end))
            return false;
        n_live++;
    }
    return n_live > 0;
}

static void mix_input(const EgPacerInput *input, gint64 from, gint64 frames, float *out,
                      bool is_first)
{
    while (frames > 0) {
        gint64 together;
        const float *in = eg_sound_input_peek(input->sound, from, frames, &together);
        if (is_first && input->route == EG_ROUTE_BOTH)
            memcpy(out, in, (gsize)together * STEREO_BYTES);
        else
            eg_mixer_add(out, in, (gsize)together, input->route);
        out += 2 * together;
        from += together;
        frames -= together;
    }
}

static void mix_inputs(EgPacer *pacer, gint64 frames, float *out)
{
    guint n_mixed = 0;

    memset(out, 0, (gsize)frames * STEREO_BYTES);
    for (guint i = 0; i < pacer->inputs->len; i++) {
        EgPacerInput *input = pacer->inputs->pdata[i];
        if (input->sound == NULL)
            continue;
        eg_sound_input_settle(input->sound, pacer->frame, frames);
        if (!eg_sound_input_is_silent(input->sound, pacer->frame)) {
            mix_input(input, pacer->frame, frames, out, n_mixed == 0);
            n_mixed++;
        }
        eg_sound_input_release(input->sound, pacer->frame + frames);
    }
    if (n_mixed > 0)
        eg_mixer_limit(out, (gsize)frames * 2, LIMITER_KNEE, n_mixed > 1 ? LIMITER_KNEE : 1);
}

static void put_block(EgPacer *pacer, gint64 frames)
{
    GstBuffer *block = gst_buffer_new_allocate(NULL, (gsize)frames * STEREO_BYTES, NULL);
    GstMapInfo map;
    gint64 pts_ns = frame_pts(pacer, pacer->frame);

    gst_buffer_map(block, &map, GST_MAP_WRITE);
    mix_inputs(pacer, frames, (float *)(void *)map.data);
    gst_buffer_unmap(block, &map);
    pacer->frame += frames;
    GST_BUFFER_PTS(block) = (GstClockTime)pts_ns;
    GST_BUFFER_DURATION(block) = (GstClockTime)(frame_pts(pacer, pacer->frame) - pts_ns);
    pacer->stats.blocks++;
    pacer->events.sound(pacer->user, block);
}

static bool make_block(EgPacer *pacer)
{
    if (pacer->params.rate_hz == 0)
        return false;
    gint64 end = pacer->frame + pacer->params.block_frames;
    if (end > pacer->end_frame ||
        (pacer->now_ns < sound_due(pacer) && !is_sound_complete(pacer, end)))
        return false;
    put_block(pacer, pacer->params.block_frames);
    return true;
}

/* Both. */

static bool is_over(const EgPacer *pacer, const EgPacerInput *input)
{
    if (!input->has_ended || !pacer->has_started)
        return false;
    if (input->sound != NULL)
        return eg_sound_input_is_silent(input->sound, pacer->frame);
    return eg_picture_input_is_empty(input->pictures,
                                     pacer->origin_ns + tick_pts(pacer, pacer->tick));
}

static void drop_ended(EgPacer *pacer)
{
    for (guint i = pacer->inputs->len; i > 0; i--) {
        if (is_over(pacer, pacer->inputs->pdata[i - 1]))
            g_ptr_array_remove_index(pacer->inputs, i - 1);
    }
}

gint64 eg_pacer_run(EgPacer *pacer, gint64 now_ns)
{
    pacer->now_ns = now_ns;
    if (!pacer->has_started || pacer->has_finished)
        return EG_TIME_NONE;
    if (!pacer->has_run) {
        pacer->has_run = true;
        pacer->backlog_ns = MAX(now_ns - pacer->origin_ns - pacer->params.latency_ns, 0);
    }
    /* Turn by turn, so that what is caught up leaves interleaved. */
    while (make_tick(pacer) | make_block(pacer))
        continue;
    drop_ended(pacer);

    /* What is due already waits for room, or is the end of the sound, which waits for the
     * pictures'. */
    gint64 next_ns = G_MAXINT64;
    if (pacer->params.fps > 0)
        next_ns = picture_due(pacer);
    if (pacer->params.rate_hz > 0)
        next_ns = MIN(next_ns, sound_due(pacer));
    return next_ns > now_ns ? next_ns : now_ns + RETRY_NS;
}

void eg_pacer_set_end(EgPacer *pacer, gint64 end_ns)
{
    pacer->end_ns = MAX(end_ns - pacer->origin_ns, 0);
    pacer->end_frame = (gint64)gst_util_uint64_scale_round(
        (guint64)pacer->end_ns, pacer->params.rate_hz, (guint64)EG_NS_PER_S);
}

bool eg_pacer_has_reached_end(const EgPacer *pacer)
{
    if (pacer->params.fps > 0 && tick_pts(pacer, pacer->tick) < pacer->end_ns)
        return false;
    if (pacer->params.rate_hz == 0)
        return true;
    return pacer->frame + pacer->params.block_frames > pacer->end_frame &&
           (pacer->now_ns >= sound_due(pacer) || is_sound_complete(pacer, pacer->end_frame));
}

gint64 eg_pacer_position(const EgPacer *pacer)
{
    gint64 done_ns = G_MAXINT64;

    if (!pacer->has_started)
        return EG_TIME_NONE;
    if (pacer->params.fps > 0)
        done_ns = tick_pts(pacer, pacer->tick);
    if (pacer->params.rate_hz > 0)
        done_ns = MIN(done_ns, frame_pts(pacer, pacer->frame));
    return pacer->origin_ns + done_ns;
}

static void finish_sound(EgPacer *pacer, gint64 length_ns)
{
    gint64 end = (gint64)gst_util_uint64_scale_round((guint64)length_ns, pacer->params.rate_hz,
                                                     (guint64)EG_NS_PER_S);

    while (pacer->frame < end)
        put_block(pacer, MIN(pacer->params.block_frames, end - pacer->frame));
}

static void finish_pictures(EgPacer *pacer, gint64 length_ns)
{
    /* Ticks do not fall on frames of sound at every rate: no picture of less than one of these. */
    gint64 sliver_ns = pacer->params.rate_hz > 0 ? frame_pts(pacer, 1) : 0;

    /* Or the file would end with the picture before those that were skipped. */
    if (pacer->tick_was_skipped) {
        pacer->tick--;
        pacer->stats.skipped--;
    }
    while (tick_pts(pacer, pacer->tick) + sliver_ns < length_ns) {
        gint64 pts_ns = tick_pts(pacer, pacer->tick);
        gint64 end_ns = MIN(tick_pts(pacer, pacer->tick + 1), length_ns);
        Choice choice = choose_picture(pacer);
        put_picture(pacer, &choice.picture, end_ns - pts_ns);
        end_tick(pacer);
    }
}

void eg_pacer_finish(EgPacer *pacer, gint64 end_ns)
{
    if (!pacer->has_started || pacer->has_finished)
        return;
    gint64 length_ns = MAX(end_ns - pacer->origin_ns, 0);

    /* What was put out already can be longer: then the other kind is filled up to its end. */
    if (pacer->params.fps > 0)
        length_ns = MAX(length_ns, tick_pts(pacer, pacer->tick));
    if (pacer->params.rate_hz > 0) {
        length_ns = MAX(length_ns, frame_pts(pacer, pacer->frame));
        finish_sound(pacer, length_ns);
        length_ns = frame_pts(pacer, pacer->frame);
    }
    if (pacer->params.fps > 0)
        finish_pictures(pacer, length_ns);
    pacer->has_finished = true;
}

void eg_pacer_get_stats(const EgPacer *pacer, EgPacerStats *stats)
{
    *stats = pacer->stats;
}
