#include "sound/sound.h"

#include <pulse/glib-mainloop.h>
#include <pulse/pulseaudio.h>

#include "base/error.h"
#include "base/time.h"
#include "sound/sound-clock.h"
#include "sound/sound-daemon.h"

#define BYTES_PER_SAMPLE (2 * sizeof(float)) /* of both channels */

/* The daemon mixes this much at once, ahead of the instant at which it is heard: the larger, the
 * fewer wake-ups; programs see it as latency. */
#define BLOCK_SAMPLES (EG_SOUND_RATE_HZ / 50)

/* The daemon is asked for the time at once until the clock has settled, then with each piece for a
 * while, then this often. */
#define MEASURE_EVERY_SAMPLES EG_SOUND_RATE_HZ

/* The longest that the daemon may take to come up, and then to answer. */
#define MAX_SILENCE_NS (10 * EG_NS_PER_S)

/* After the connection breaks, how the daemon ended is known this soon. */
#define LAST_WORDS_NS EG_NS_PER_S

typedef enum {
    STATE_NONE,
    STATE_STARTING,
    STATE_READY,
    STATE_BROKEN, /* the connection is gone; the daemon's end will say why */
    STATE_FAILED,
} State;

struct _EgSound {
    const EgLog *log;
    EgSoundEvents events;
    gpointer user;
    EgSoundDaemon *daemon;
    pa_glib_mainloop *mainloop;
    pa_context *context;
    pa_stream *stream;
    EgTimer *timer; /* the daemon is silent, or has no last words */
    EgSoundClock *clock;
    State state;
    bool is_started;
    bool is_measuring;
    gint64 measure_from_ns; /* when the measurement that is under way was asked for */
    gint64 next_measure;    /* sample */
    gint64 n_samples;       /* that have come, or are missing */
};

/* The last thing that happens. */
static void fail(EgSound *sound, const GError *error)
{
    if (sound->state == STATE_FAILED)
        return;
    sound->state = STATE_FAILED;
    eg_timer_clear(sound->timer);
    sound->events.failed(sound->user, error);
}

static void on_daemon_exited(gpointer user, const GError *error)
{
    fail(user, error);
}

static void on_timer(gpointer user)
{
    EgSound *sound = user;
    g_autoptr(GError) error = NULL;
    if (sound->state == STATE_BROKEN)
        eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE,
                     "the connection to PulseAudio is broken: %s",
                     pa_strerror(pa_context_errno(sound->context)));
    else
        eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE,
                     "PulseAudio has not answered for %d s", (int)(MAX_SILENCE_NS / EG_NS_PER_S));
    fail(sound, error);
}

static void set_broken(EgSound *sound)
{
    if (sound->state >= STATE_BROKEN)
        return;
    sound->state = STATE_BROKEN;
    eg_timer_set_after(sound->timer, LAST_WORDS_NS);
}

/* When the daemon answered, by our clock. The library says how long ago that was by the machine's
 * wall clock, which may be set meanwhile. */
static bool get_answer_ns(const EgSound *sound, const pa_timing_info *info, gint64 *answer_ns)
{
    gint64 now_ns = eg_now_ns();
    *answer_ns = now_ns - (gint64)info->transport_usec * EG_NS_PER_US;
    return info->synchronized_clocks && *answer_ns >= sound->measure_from_ns;
}

/* What the daemon has mixed by then ends with the sample that is heard `sink_usec` later. */
static void take_measurement(EgSound *sound, const pa_timing_info *info)
{
    gint64 answer_ns;
    if (info->write_index_corrupt || !get_answer_ns(sound, info, &answer_ns))
        return;
    guint64 on_the_way_us = info->source_usec;
    gint64 end = info->write_index / (gint64)BYTES_PER_SAMPLE +
                 (gint64)(on_the_way_us * EG_SOUND_RATE_HZ + 500000) / 1000000;
    gint64 heard_ns = answer_ns + (gint64)info->sink_usec * EG_NS_PER_US;
    if (eg_sound_clock_measure(sound->clock, end, heard_ns))
        eg_warn(sound->log, "sound has jumped");
}

static void measure(EgSound *sound);

static void on_measured(pa_stream *stream, int success, void *user)
{
    EgSound *sound = user;
    sound->is_measuring = false;
    const pa_timing_info *info = pa_stream_get_timing_info(stream);
    if (!success || info == NULL || sound->state >= STATE_BROKEN)
        return;
    eg_timer_set_after(sound->timer, MAX_SILENCE_NS);
    take_measurement(sound, info);
    if (sound->state != STATE_STARTING)
        return;
    if (!eg_sound_clock_is_settled(sound->clock)) {
        measure(sound);
        return;
    }
    sound->state = STATE_READY;
    sound->events.ready(sound->user);
}

static void measure(EgSound *sound)
{
    sound->is_measuring = true;
    sound->measure_from_ns = eg_now_ns();
    sound->next_measure = sound->n_samples + MEASURE_EVERY_SAMPLES;
    pa_operation *operation = pa_stream_update_timing_info(sound->stream, on_measured, sound);
    if (operation != NULL)
        pa_operation_unref(operation);
    else
        set_broken(sound);
}

static void put_out(EgSound *sound, const void *data, gsize size)
{
    gint64 n_samples = (gint64)(size / BYTES_PER_SAMPLE);
    gint64 at_ns = eg_sound_clock_instant_ns(sound->clock, sound->n_samples);
    GstBuffer *buffer = gst_buffer_new_memdup(data, size);
    GST_BUFFER_PTS(buffer) = (GstClockTime)MAX(at_ns, 0);
    GST_BUFFER_DURATION(buffer) =
        gst_util_uint64_scale((guint64)n_samples, GST_SECOND, EG_SOUND_RATE_HZ);
    sound->n_samples += n_samples;
    sound->events.sound(sound->user, buffer);
}

/* A piece of the stream. Without data, a hole: some samples were lost. False: there is none. */
static bool read_piece(EgSound *sound)
{
    const void *data;
    size_t size;
    if (pa_stream_peek(sound->stream, &data, &size) != 0 || size == 0)
        return false;
    if (data != NULL && sound->is_started) {
        put_out(sound, data, size);
    } else {
        if (data == NULL)
            eg_warn(sound->log, "sound was lost",
                    EG_REAL("seconds", (double)size / BYTES_PER_SAMPLE / EG_SOUND_RATE_HZ));
        sound->n_samples += (gint64)(size / BYTES_PER_SAMPLE);
    }
    pa_stream_drop(sound->stream);
    return true;
}

static void on_readable(pa_stream *stream, size_t n_bytes, void *user)
{
    (void)stream;
    (void)n_bytes;
    EgSound *sound = user;
    while (sound->state < STATE_BROKEN && read_piece(sound))
        continue;
    bool is_due =
        sound->n_samples >= sound->next_measure || eg_sound_clock_wants_more(sound->clock);
    if (sound->state == STATE_READY && !sound->is_measuring && is_due)
        measure(sound);
}

static void on_stream_state(pa_stream *stream, void *user)
{
    EgSound *sound = user;
    pa_stream_state_t state = pa_stream_get_state(stream);
    if (state == PA_STREAM_READY)
        measure(sound);
    else if (!PA_STREAM_IS_GOOD(state))
        set_broken(sound);
}

/* Of the sink's own format, so that nothing is converted or resampled. */
static void connect_stream(EgSound *sound)
{
    const pa_sample_spec spec = {
        .format = PA_SAMPLE_FLOAT32LE, .rate = EG_SOUND_RATE_HZ, .channels = 2};
    const pa_buffer_attr attributes = {
        .maxlength = (uint32_t)-1,
        .fragsize = BLOCK_SAMPLES * BYTES_PER_SAMPLE,
    };
    sound->stream = pa_stream_new(sound->context, "recording", &spec, NULL);
    pa_stream_set_state_callback(sound->stream, on_stream_state, sound);
    pa_stream_set_read_callback(sound->stream, on_readable, sound);
    if (pa_stream_connect_record(sound->stream, EG_SOUND_DAEMON_SINK ".monitor", &attributes,
                                 PA_STREAM_ADJUST_LATENCY | PA_STREAM_DONT_MOVE) != 0)
        set_broken(sound);
}

static void on_context_state(pa_context *context, void *user)
{
    EgSound *sound = user;
    pa_context_state_t state = pa_context_get_state(context);
    if (state == PA_CONTEXT_READY)
        connect_stream(sound);
    else if (!PA_CONTEXT_IS_GOOD(state))
        set_broken(sound);
}

static bool connect_context(EgSound *sound, EgLoop *loop, GError **error)
{
    sound->mainloop = pa_glib_mainloop_new(eg_loop_context(loop));
    sound->context = pa_context_new(pa_glib_mainloop_get_api(sound->mainloop), "egress");
    const char *cookie_path = eg_sound_daemon_cookie_path(sound->daemon);
    const char *server = eg_sound_daemon_server(sound->daemon);
    if (pa_context_load_cookie_from_file(sound->context, cookie_path) != 0 ||
        pa_context_connect(sound->context, server, PA_CONTEXT_NOAUTOSPAWN, NULL) != 0) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "cannot connect to PulseAudio: %s",
                     pa_strerror(pa_context_errno(sound->context)));
        return false;
    }
    /* Not sooner, for it must not be called in here. */
    pa_context_set_state_callback(sound->context, on_context_state, sound);
    return true;
}

EgSound *eg_sound_new(EgLoop *loop, const EgSoundParams *params, const EgSoundEvents *events,
                      gpointer user, GError **error)
{
    eg_loop_assert_owner(loop);
    const EgSoundDaemonParams daemon_params = {
        .folder = params->folder, .environment = params->environment, .log = params->log};
    g_autoptr(EgSound) sound = g_new0(EgSound, 1);
    sound->log = params->log;
    sound->events = *events;
    sound->user = user;
    sound->state = STATE_STARTING;
    sound->timer = eg_timer_new(loop, on_timer, sound);
    sound->clock = eg_sound_clock_new(EG_SOUND_RATE_HZ);
    sound->daemon = eg_sound_daemon_new(loop, &daemon_params, on_daemon_exited, sound, error);
    if (sound->daemon == NULL || !connect_context(sound, loop, error))
        return NULL;
    eg_timer_set_after(sound->timer, MAX_SILENCE_NS);
    return g_steal_pointer(&sound);
}

static void free_stream(EgSound *sound)
{
    if (sound->stream == NULL)
        return;
    pa_stream_set_state_callback(sound->stream, NULL, NULL);
    pa_stream_set_read_callback(sound->stream, NULL, NULL);
    pa_stream_unref(sound->stream);
}

void eg_sound_free(EgSound *sound)
{
    if (sound == NULL)
        return;
    if (sound->context != NULL) {
        pa_context_set_state_callback(sound->context, NULL, NULL);
        /* Operations that are under way end without a word. */
        pa_context_disconnect(sound->context);
    }
    free_stream(sound);
    g_clear_pointer(&sound->context, pa_context_unref);
    g_clear_pointer(&sound->mainloop, pa_glib_mainloop_free);
    eg_sound_daemon_free(sound->daemon);
    eg_timer_free(sound->timer);
    eg_sound_clock_free(sound->clock);
    g_free(sound);
}

const char *const *eg_sound_environment(const EgSound *sound)
{
    return eg_sound_daemon_client_environment(sound->daemon);
}

void eg_sound_start(EgSound *sound)
{
    g_assert(sound->state != STATE_STARTING);
    sound->is_started = true;
}

void eg_sound_stop(EgSound *sound)
{
    sound->is_started = false;
}
