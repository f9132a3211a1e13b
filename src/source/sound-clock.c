#include "source/sound-clock.h"

#include "base/time.h"

/* Measurements that are looked at together. */
#define WINDOW 8

/* Farther off than that is another line: some samples are missing, or there are more of them. All
 * in the window must be that late, for on a busy machine some are held up. */
#define JUMP_NS (10 * EG_NS_PER_MS)

/* How fast the line follows; unheard. */
#define MAX_BEND_PPM 200

struct _EgSoundClock {
    guint rate_hz;
    gint64 origins_ns[WINDOW]; /* when sample 0 was heard, by the last measurements; a ring */
    guint n_origins;
    guint next;
    guint n_late; /* in a row */
    bool is_set;
    gint64 origin_ns; /* of the line */
    gint64 last_sample;
};

EgSoundClock *eg_sound_clock_new(guint rate_hz)
{
    EgSoundClock *clock = g_new0(EgSoundClock, 1);
    clock->rate_hz = rate_hz;
    return clock;
}

void eg_sound_clock_free(EgSoundClock *clock)
{
    g_free(clock);
}

static gint64 duration_ns(const EgSoundClock *clock, gint64 n_samples)
{
    return n_samples / clock->rate_hz * EG_NS_PER_S +
           n_samples % clock->rate_hz * EG_NS_PER_S / clock->rate_hz;
}

static void add_origin(EgSoundClock *clock, gint64 origin_ns)
{
    clock->origins_ns[clock->next] = origin_ns;
    clock->next = (clock->next + 1) % WINDOW;
    clock->n_origins = MIN(clock->n_origins + 1, WINDOW);
}

/* Of the last `n`. */
static gint64 earliest_origin_ns(const EgSoundClock *clock, guint n)
{
    gint64 earliest_ns = G_MAXINT64;
    for (guint i = 1; i <= n; i++)
        earliest_ns = MIN(earliest_ns, clock->origins_ns[(clock->next + WINDOW - i) % WINDOW]);
    return earliest_ns;
}

/* To what the last `n` measurements say. */
static void jump(EgSoundClock *clock, guint n)
{
    clock->origin_ns = earliest_origin_ns(clock, n);
    clock->n_origins = n;
    clock->n_late = 0;
}

bool eg_sound_clock_measure(EgSoundClock *clock, gint64 sample, gint64 at_ns)
{
    gint64 origin_ns = at_ns - duration_ns(clock, sample);
    add_origin(clock, origin_ns);
    if (!clock->is_set) {
        jump(clock, clock->n_origins);
        clock->is_set = clock->n_origins == WINDOW;
        return false;
    }
    gint64 off_ns = origin_ns - clock->origin_ns;
    clock->n_late = off_ns > JUMP_NS ? clock->n_late + 1 : 0;
    if (off_ns >= -JUMP_NS && clock->n_late < WINDOW)
        return false;
    jump(clock, MAX(clock->n_late, 1));
    return true;
}

bool eg_sound_clock_is_settled(const EgSoundClock *clock)
{
    return clock->is_set && clock->n_origins == WINDOW && clock->n_late == 0;
}

gint64 eg_sound_clock_instant_ns(EgSoundClock *clock, gint64 sample)
{
    g_assert(clock->is_set);
    gint64 passed_ns = duration_ns(clock, MAX(sample - clock->last_sample, 0));
    gint64 max_bend_ns = passed_ns / 1000 * MAX_BEND_PPM / 1000;
    gint64 off_ns = earliest_origin_ns(clock, clock->n_origins) - clock->origin_ns;
    clock->origin_ns += CLAMP(off_ns, -max_bend_ns, max_bend_ns);
    clock->last_sample = sample;
    return clock->origin_ns + duration_ns(clock, sample);
}
