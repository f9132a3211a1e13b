#include "media/pacer-sound.h"

#include <string.h>

#include "base/time.h"
#include "media/resampler.h"

/* A ring holds as much as is needed, from 1.4 seconds at 48 kHz on. */
#define LEAST_FRAMES   65536
#define LONGEST_FRAMES (LEAST_FRAMES * 16)

/* What is pushed before the start is kept for so long. */
#define HELD_S 10

/* Buffers that do not follow each other within 5 ms have something missing between them (2.5 ms is
 * the shortest packet of Opus), or were moved by the timeline; what drifts apart unnoticed is cut
 * at 60 ms. */
#define JUMP_PER_S  200
#define DRIFT_PER_S 17

/* Sound that is off by 3 ms is resampled until it is off by 0.25 ms: by as much per second as it is
 * off, at most by half a per cent. Below, it stays bit for bit as it came. */
#define BEGIN_PER_S 333
#define END_PER_S   4000
#define MAX_BEND    0.005

#define FADE_PER_S 200 /* ends and beginnings within the sound are faded over 5 ms */

/* For so long the beginning of a track may still be moved (the timeline settles), and nothing of it
 * is put out before its latest time. */
#define SETTLE_NS         (600 * EG_NS_PER_MS)
#define SETTLE_LEAST_JUMP 5

struct _EgSoundInput {
    gint64 rate_hz;
    gint64 rate_in_hz;
    double base_step; /* frames that come in per frame that goes out */
    EgPacerStats *stats;
    bool has_started;
    gint64 origin_ns;
    GQueue held; /* GstBuffer, before the start */
    gint64 held_frames;

    float *ring;     /* frame n is at n modulo capacity */
    gint64 capacity; /* frames, a power of two */
    gint64 cursor;   /* frames before were put out */
    gint64 cleared;  /* frames before are zero, for the next time round */
    gint64 high;     /* frames from here on are zero */

    bool has_sound;   /* anything was ever written */
    bool is_open;     /* what is written at `end` joins what was written before */
    gint64 begin;     /* of what was joined so far */
    gint64 end;       /* of what was written */
    gint64 next_out;  /* where the next frame of the resampler belongs; before `end`: too late */
    gint64 next_in;   /* where the next buffer should belong by its PTS */
    gint64 fading_in; /* frames of the fade that are still to come */
    gint64 pushed;    /* frames altogether */
    gint64 settle_frames;
    bool is_live;
    bool was_paused; /* not live since the last push: what is missing was not to come */

    EgResampler resampler;
    bool is_bending;
    float *scratch; /* what comes out of the resampler */
    gsize scratch_capacity;
};

EgSoundInput *eg_sound_input_new(guint rate_hz, gint64 latency_ns, EgPacerStats *stats)
{
    EgSoundInput *sound = g_new0(EgSoundInput, 1);

    sound->rate_hz = rate_hz;
    sound->rate_in_hz = rate_hz;
    sound->base_step = 1;
    sound->stats = stats;
    sound->capacity = LEAST_FRAMES;
    sound->ring = g_new0(float, 2 * (gsize)sound->capacity);
    sound->settle_frames = MIN(SETTLE_NS, latency_ns) / EG_NS_PER_US * rate_hz / 1000000;
    sound->is_live = true;
    g_queue_init(&sound->held);
    return sound;
}

void eg_sound_input_free(EgSoundInput *sound)
{
    if (sound == NULL)
        return;
    g_queue_clear_full(&sound->held, (GDestroyNotify)gst_buffer_unref);
    eg_resampler_clear(&sound->resampler);
    g_free(sound->scratch);
    g_free(sound->ring);
    g_free(sound);
}

static gint64 fade_frames(const EgSoundInput *sound)
{
    return sound->rate_hz / FADE_PER_S;
}

static float *frame_at(const EgSoundInput *sound, gint64 frame)
{
    return sound->ring + 2 * (frame & (sound->capacity - 1));
}

/* The ring. */

const float *eg_sound_input_peek(const EgSoundInput *sound, gint64 from, gint64 frames,
                                 gint64 *together)
{
    *together = MIN(frames, sound->capacity - (from & (sound->capacity - 1)));
    return frame_at(sound, from);
}

static void clear_frames(EgSoundInput *sound, gint64 from, gint64 end)
{
    while (from < end) {
        gint64 together;
        eg_sound_input_peek(sound, from, end - from, &together);
        memset(frame_at(sound, from), 0, (gsize)together * 2 * sizeof(float));
        from += together;
    }
}

static bool is_too_far_ahead(const EgSoundInput *sound, gint64 end)
{
    return end + 2 * fade_frames(sound) - sound->cleared > LONGEST_FRAMES;
}

/* Makes room up to the frame `end`. */
static void reserve(EgSoundInput *sound, gint64 end)
{
    gint64 needed = end + fade_frames(sound) - sound->cleared;
    gint64 capacity = sound->capacity;

    if (needed <= capacity)
        return;
    while (capacity < needed)
        capacity *= 2;
    float *ring = g_new0(float, 2 * (gsize)capacity);
    for (gint64 frame = sound->cleared; frame < sound->high; frame++)
        memcpy(ring + 2 * (frame & (capacity - 1)), frame_at(sound, frame), 2 * sizeof(float));
    g_free(sound->ring);
    sound->ring = ring;
    sound->capacity = capacity;
}

void eg_sound_input_release(EgSoundInput *sound, gint64 end)
{
    /* As much as a fade is kept: an end that comes now is faded by what was before. */
    gint64 clear_end = MIN(end - fade_frames(sound), sound->high);

    sound->cursor = MAX(sound->cursor, end);
    clear_frames(sound, sound->cleared, clear_end);
    sound->cleared = MAX(sound->cleared, end - fade_frames(sound));
    sound->high = MAX(sound->high, sound->cleared);
}

/* Ends and beginnings. */

/* Fades out from the frame `at` on: what is there, and where nothing is there, the sound before,
 * mirrored, so that it goes on without a step. */
static void fade_out(EgSoundInput *sound, gint64 at)
{
    gint64 frames = fade_frames(sound);

    reserve(sound, at + frames);
    for (gint64 i = 0; i < frames; i++) {
        float share = (float)(frames - i) / (float)(frames + 1);
        gint64 source = at + i < sound->end ? at + i : 2 * sound->end - 1 - (at + i);
        bool is_kept = source >= sound->cleared && source >= sound->begin;
        float *to = frame_at(sound, at + i);
        const float *from = frame_at(sound, source);
        /* Mirrored frames before `at` have not been faded, those after it have. */
        if (source >= at && at + i >= sound->end)
            share *= (float)(frames + 1) / (float)(frames - (source - at));
        to[0] = is_kept ? share * from[0] : 0;
        to[1] = is_kept ? share * from[1] : 0;
    }
    clear_frames(sound, at + frames, sound->high);
    sound->high = at + frames;
}

/* The sound ends at `sound->end`, for now. */
static void close_sound(EgSoundInput *sound)
{
    if (!sound->is_open)
        return;
    fade_out(sound, sound->end);
    sound->is_open = false;
}

/* Sound begins at the frame `at`, or where the old one can be left. */
static void open_sound(EgSoundInput *sound, gint64 at)
{
    gint64 from = MAX(at, sound->cursor);

    if (sound->is_open && at < sound->end) {
        from = MAX(from, sound->end - fade_frames(sound));
        fade_out(sound, from);
    } else {
        close_sound(sound);
        from = MAX(from, sound->end);
    }
    if (sound->has_sound && sound->is_live && !sound->was_paused)
        sound->stats->silent_frames += (guint64)MAX(0, from - MAX(sound->end, sound->cursor));
    sound->is_open = true;
    sound->begin = from;
    sound->end = from;
    sound->fading_in = fade_frames(sound);
}

static void write_faded(EgSoundInput *sound, const float *samples, gint64 frames)
{
    gint64 all = fade_frames(sound);

    for (gint64 i = 0; i < frames; i++) {
        float share = (float)(all - sound->fading_in + 1) / (float)(all + 1);
        float *to = frame_at(sound, sound->end + i);
        to[0] += share * samples[2 * i];
        to[1] += share * samples[2 * i + 1];
        sound->fading_in--;
    }
    sound->end += frames;
}

static void write_plain(EgSoundInput *sound, const float *samples, gint64 frames)
{
    while (frames > 0) {
        gint64 together;
        eg_sound_input_peek(sound, sound->end, frames, &together);
        memcpy(frame_at(sound, sound->end), samples, (gsize)together * 2 * sizeof(float));
        samples += 2 * together;
        frames -= together;
        sound->end += together;
    }
}

/* Lays frames at `next_out`. What lies before the cursor is late; what lies before `end` is there
 * already. */
static void write_sound(EgSoundInput *sound, const float *samples, gint64 frames)
{
    gint64 at = sound->next_out;

    sound->next_out += frames;
    if (frames == 0)
        return;
    reserve(sound, at + frames);
    gint64 late = CLAMP(sound->cursor - at, 0, frames);
    sound->stats->late_frames += (guint64)late;
    if (!sound->is_open && late < frames)
        open_sound(sound, at + late);
    gint64 skipped = MAX(late, CLAMP(sound->end - at, 0, frames));
    samples += 2 * skipped;
    frames -= skipped;
    gint64 faded = MIN(frames, sound->fading_in);
    write_faded(sound, samples, faded);
    write_plain(sound, samples + 2 * faded, frames - faded);
    sound->high = MAX(sound->high, sound->end);
    sound->has_sound |= frames > 0;
}

/* Nothing of the beginning has been put out: it can be moved as a whole, unheard. */
static void move_beginning(EgSoundInput *sound, gint64 earlier)
{
    for (gint64 frame = sound->begin; frame < sound->end; frame++) {
        if (frame - earlier >= sound->cursor)
            memcpy(frame_at(sound, frame - earlier), frame_at(sound, frame), 2 * sizeof(float));
    }
    clear_frames(sound, MAX(sound->end - earlier, sound->cursor), sound->end);
    sound->begin = MAX(sound->begin - earlier, sound->cursor);
    sound->end = MAX(sound->end - earlier, sound->cursor);
    sound->next_out -= earlier;
}

/* Pushes. */

static gint64 frame_of(const EgSoundInput *sound, gint64 since_ns)
{
    guint64 frames = gst_util_uint64_scale_round((guint64)ABS(since_ns), (guint64)sound->rate_hz,
                                                 (guint64)EG_NS_PER_S);
    return since_ns < 0 ? -(gint64)frames : (gint64)frames;
}

/* How many frames later than it would come by itself a buffer belongs. */
static double how_far_off(const EgSoundInput *sound, gint64 since_ns)
{
    double at = (double)since_ns * (double)sound->rate_hz / (double)EG_NS_PER_S;
    double pending = eg_resampler_pending(&sound->resampler) / sound->base_step;
    return at - (double)sound->next_out - pending;
}

static void need_scratch(EgSoundInput *sound, gsize frames)
{
    if (frames <= sound->scratch_capacity)
        return;
    sound->scratch_capacity = frames;
    sound->scratch = g_renew(float, sound->scratch, 2 * frames);
}

static void flush_resampler(EgSoundInput *sound)
{
    need_scratch(sound, eg_resampler_bound(&sound->resampler, 0, sound->base_step));
    gsize frames = eg_resampler_flush(&sound->resampler, sound->base_step, sound->scratch);
    write_sound(sound, sound->scratch, (gint64)frames);
    sound->is_bending = false;
}

/* Looks whether a buffer joins what was pushed before; makes it fit if not. */
static void join(EgSoundInput *sound, gint64 since_ns)
{
    gint64 at = frame_of(sound, since_ns);
    gint64 jump = at - sound->next_in;
    bool is_settling = sound->pushed < sound->settle_frames;

    if (is_settling && sound->is_open && sound->begin >= sound->cursor &&
        jump < -SETTLE_LEAST_JUMP) {
        move_beginning(sound, -jump);
        return;
    }
    double off = how_far_off(sound, since_ns);
    if (sound->pushed > 0 && ABS(jump) <= sound->rate_hz / JUMP_PER_S &&
        ABS(off) <= (double)sound->rate_hz / DRIFT_PER_S)
        return;
    flush_resampler(sound);
    sound->next_out = at;
    if (at + 1 > sound->cursor)
        open_sound(sound, at);
    else
        close_sound(sound);
}

/* How many frames that come in make one that goes out, to get to where the PTS say. */
static double choose_step(EgSoundInput *sound, gint64 since_ns)
{
    double rate = (double)sound->rate_hz;
    double off = how_far_off(sound, since_ns);

    if (ABS(off) > rate / BEGIN_PER_S)
        sound->is_bending = true;
    else if (ABS(off) < rate / END_PER_S)
        sound->is_bending = false;
    double bend = sound->is_bending ? CLAMP(off / rate, -MAX_BEND, MAX_BEND) : 0;
    return sound->base_step * (1 - bend);
}

static void push_frames(EgSoundInput *sound, gint64 since_ns, const float *samples, gsize frames)
{
    gint64 duration_ns = (gint64)frames * EG_NS_PER_S / sound->rate_in_hz;
    gint64 end = frame_of(sound, since_ns + duration_ns);

    if (is_too_far_ahead(sound, MAX(end, sound->next_out + sound->rate_hz))) {
        sound->stats->late_frames += frames;
        return;
    }
    join(sound, since_ns);
    double step = choose_step(sound, since_ns);
    need_scratch(sound, eg_resampler_bound(&sound->resampler, frames, step));
    gsize n_out = eg_resampler_process(&sound->resampler, samples, frames, step, sound->scratch);
    write_sound(sound, sound->scratch, (gint64)n_out);
    sound->next_in = end;
    sound->pushed += (gint64)n_out;
    sound->was_paused = !sound->is_live;
}

static void place(EgSoundInput *sound, GstBuffer *buffer)
{
    GstMapInfo map;

    if (gst_buffer_map(buffer, &map, GST_MAP_READ)) {
        gsize frames = map.size / (2 * sizeof(float));
        if (frames > 0)
            push_frames(sound, (gint64)GST_BUFFER_PTS(buffer) - sound->origin_ns,
                        (const float *)(const void *)map.data, frames);
        gst_buffer_unmap(buffer, &map);
    }
    gst_buffer_unref(buffer);
}

static gint64 buffer_frames(GstBuffer *buffer)
{
    return (gint64)(gst_buffer_get_size(buffer) / (2 * sizeof(float)));
}

static void hold(EgSoundInput *sound, GstBuffer *buffer)
{
    g_queue_push_tail(&sound->held, buffer);
    sound->held_frames += buffer_frames(buffer);
    while (sound->held_frames > HELD_S * sound->rate_hz) {
        GstBuffer *oldest = g_queue_pop_head(&sound->held);
        sound->held_frames -= buffer_frames(oldest);
        gst_buffer_unref(oldest);
    }
}

void eg_sound_input_push(EgSoundInput *sound, GstBuffer *buffer)
{
    if (!GST_BUFFER_PTS_IS_VALID(buffer))
        gst_buffer_unref(buffer);
    else if (sound->has_started)
        place(sound, buffer);
    else
        hold(sound, buffer);
}

void eg_sound_input_start(EgSoundInput *sound, gint64 origin_ns, gint64 first_frame)
{
    GstBuffer *buffer;

    sound->has_started = true;
    sound->origin_ns = origin_ns;
    sound->cursor = first_frame;
    sound->cleared = first_frame;
    sound->high = first_frame;
    sound->end = first_frame;
    while ((buffer = g_queue_pop_head(&sound->held)) != NULL)
        place(sound, buffer);
}

void eg_sound_input_set_live(EgSoundInput *sound, bool is_live)
{
    sound->is_live = is_live;
    sound->was_paused |= !is_live;
}

void eg_sound_input_set_rate(EgSoundInput *sound, guint rate_hz)
{
    g_assert(sound->pushed == 0 && rate_hz > 0);
    sound->rate_in_hz = rate_hz;
    sound->base_step = (double)rate_hz / (double)sound->rate_hz;
    eg_resampler_set_step(&sound->resampler, sound->base_step);
}

bool eg_sound_input_is_live(const EgSoundInput *sound)
{
    return sound->is_live;
}

/* The mixer's side. */

bool eg_sound_input_is_complete(const EgSoundInput *sound, gint64 end)
{
    return sound->pushed >= sound->settle_frames && sound->is_open && sound->end >= end;
}

bool eg_sound_input_is_silent(const EgSoundInput *sound, gint64 from)
{
    return !sound->has_started || sound->high <= from;
}

void eg_sound_input_settle(EgSoundInput *sound, gint64 from, gint64 frames)
{
    gint64 missing = from + frames - MAX(sound->end, from);

    if (missing <= 0)
        return;
    close_sound(sound);
    if (sound->is_live && sound->has_sound && !sound->was_paused)
        sound->stats->silent_frames += (guint64)missing;
}
