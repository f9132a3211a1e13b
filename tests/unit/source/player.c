#include "unit/source/player.h"

#include <math.h>
#include <pulse/glib-mainloop.h>
#include <pulse/pulseaudio.h>

#include "base/time.h"

#define RATE_HZ 48000

struct _Player {
    pa_glib_mainloop *mainloop;
    pa_context *context;
    pa_stream *stream;
    double frequency_hz;
    gint64 n_samples;
    bool had_gaps;
};

static float sample_at(const Player *player, gint64 i)
{
    if (player->frequency_hz == PLAYER_CLICK)
        return i == PLAYER_CLICK_SAMPLE ? (float)PLAYER_LEVEL : 0;
    return (float)(PLAYER_LEVEL * sin(2 * G_PI * player->frequency_hz * (double)i / RATE_HZ));
}

static void on_writable(pa_stream *stream, size_t size, void *user)
{
    Player *player = user;
    gsize n = size / (2 * sizeof(float));
    g_autofree float *samples = g_new(float, 2 * n);
    for (gsize i = 0; i < n; i++, player->n_samples++)
        samples[2 * i] = samples[2 * i + 1] = sample_at(player, player->n_samples);
    g_assert_cmpint(
        pa_stream_write(stream, samples, n * 2 * sizeof(float), NULL, 0, PA_SEEK_RELATIVE), ==, 0);
}

static void on_underflow(pa_stream *stream, void *user)
{
    (void)stream;
    ((Player *)user)->had_gaps = true;
}

static void on_state(pa_context *context, void *user)
{
    Player *player = user;
    static const pa_sample_spec spec = {
        .format = PA_SAMPLE_FLOAT32LE, .rate = RATE_HZ, .channels = 2};
    static const pa_buffer_attr attributes = {.maxlength = (uint32_t)-1,
                                              .tlength = RATE_HZ / 2 * 2 * sizeof(float),
                                              .prebuf = (uint32_t)-1,
                                              .minreq = (uint32_t)-1};
    g_assert_true(PA_CONTEXT_IS_GOOD(pa_context_get_state(context)));
    if (pa_context_get_state(context) != PA_CONTEXT_READY)
        return;
    player->stream = pa_stream_new(context, "test", &spec, NULL);
    pa_stream_set_write_callback(player->stream, on_writable, player);
    pa_stream_set_underflow_callback(player->stream, on_underflow, player);
    g_assert_cmpint(pa_stream_connect_playback(player->stream, NULL, &attributes,
                                               PA_STREAM_ADJUST_LATENCY |
                                                   PA_STREAM_INTERPOLATE_TIMING |
                                                   PA_STREAM_AUTO_TIMING_UPDATE,
                                               NULL, NULL),
                    ==, 0);
}

Player *player_new(EgLoop *loop, const char *server, double frequency_hz)
{
    Player *player = g_new0(Player, 1);
    player->frequency_hz = frequency_hz;
    player->mainloop = pa_glib_mainloop_new(eg_loop_context(loop));
    player->context = pa_context_new(pa_glib_mainloop_get_api(player->mainloop), "player");
    pa_context_set_state_callback(player->context, on_state, player);
    g_assert_cmpint(pa_context_connect(player->context, server, PA_CONTEXT_NOFLAGS, NULL), ==, 0);
    return player;
}

void player_free(Player *player)
{
    pa_context_set_state_callback(player->context, NULL, NULL);
    pa_context_disconnect(player->context);
    g_clear_pointer(&player->stream, pa_stream_unref);
    pa_context_unref(player->context);
    pa_glib_mainloop_free(player->mainloop);
    g_free(player);
}

gint64 player_instant_ns(Player *player, gint64 sample)
{
    pa_usec_t time_us;
    if (player->stream == NULL || pa_stream_get_time(player->stream, &time_us) != 0 || time_us == 0)
        return EG_TIME_NONE;
    return eg_now_ns() + sample * EG_NS_PER_S / RATE_HZ - (gint64)time_us * EG_NS_PER_US;
}

bool player_had_gaps(const Player *player)
{
    return player->had_gaps;
}
