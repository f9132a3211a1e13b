#include "media/pacer-picture.h"

#include <math.h>

#include "base/time.h"

/* Capture times jitter by some milliseconds, and a source of exactly the output's rate may have any
 * phase against the ticks, also the one right between two. Rounding to the nearest tick would then
 * show some pictures twice and drop others. Against that:
 *
 *  - the cadence of a steady source is followed by a line through its last 126 pictures (an alpha-
 *    beta filter, with the gains of a least-squares fit while there are fewer), and a picture
 * counts with the instant that the line gives it, never more than 7 ms from its own;
 *  - the bound between two ticks has hysteresis: pictures near it push it away, by at most 4 ms,
 *    more while the line is young and leaves some of the jitter.
 *
 * A slow drift of phase then costs one repeated or dropped picture per slip. */
#define CADENCE_PICTURES    126
#define CADENCE_MAX_OFF_NS  (7 * EG_NS_PER_MS)
#define CADENCE_BREAK_NS    (20 * EG_NS_PER_MS)
#define CADENCE_SLOWEST_NS  (110 * EG_NS_PER_MS)
#define CADENCE_MOST_MISSED 4
#define CADENCE_SURE        4 /* pictures */
#define NEW_PICTURES        8
#define YOUNG_PICTURES      60
#define HYSTERESIS_NS       (4 * EG_NS_PER_MS)
#define YOUNG_HYSTERESIS_NS (9 * EG_NS_PER_MS)

/* A picture that comes this much after its tick would be out of step with the sound for everybody
 * to see, and mostly is one of many that are only being caught up with. It is shown when for so
 * long nothing has come that is better: the only picture in a while, or a source that is always
 * late. */
#define OVERDUE_NS          (100 * EG_NS_PER_MS)
#define OVERDUE_PATIENCE_NS EG_NS_PER_S

typedef struct {
    gint64 n_pictures; /* since it began */
    gint64 last_pts_ns;
    gint64 instant_ns; /* of the last picture */
    double interval_ns;
} Cadence;

typedef struct {
    EgPicture picture;
    gint64 tick;
    bool is_late; /* came after its tick */
} Queued;

struct _EgPictureInput {
    guint64 fps;
    gint64 period_ns;
    gint64 hold_ns;
    guint limit;
    EgPacerStats *stats;
    bool has_started;
    gint64 origin_ns;

    Queued *queue; /* a ring of `limit` */
    guint head;
    guint n_queued;
    EgPicture current; /* of the ticks that are over */

    bool is_overdue;        /* all pictures since some time */
    gint64 overdue_to_tick; /* from here on they are shown all the same */
    EgPicture overdue;      /* the newest of before; serial 0: none */

    bool is_live;
    gint64 black_ns;      /* pictures of before it ceased to be live are not shown from then on */
    guint64 black_serial; /* the last of them; all while it is not live */
    guint64 last_serial;

    Cadence cadence;
    gint64 bias_ns; /* of the bound between ticks */
};

EgPictureInput *eg_picture_input_new(guint fps, gint64 hold_ns, guint limit, EgPacerStats *stats)
{
    EgPictureInput *input = g_new0(EgPictureInput, 1);

    input->fps = fps;
    input->period_ns = EG_NS_PER_S / (gint64)fps;
    input->hold_ns = hold_ns;
    input->limit = limit;
    input->stats = stats;
    input->queue = g_new0(Queued, limit);
    input->is_live = true;
    return input;
}

static Queued *queued_at(const EgPictureInput *input, guint index)
{
    g_assert(input->limit > 0);
    return &input->queue[(input->head + index) % input->limit];
}

static void drop_head(EgPictureInput *input)
{
    gst_clear_buffer(&queued_at(input, 0)->picture.buffer);
    input->head = (input->head + 1) % input->limit;
    input->n_queued--;
}

void eg_picture_input_free(EgPictureInput *input)
{
    if (input == NULL)
        return;
    while (input->n_queued > 0)
        drop_head(input);
    gst_clear_buffer(&input->current.buffer);
    gst_clear_buffer(&input->overdue.buffer);
    g_free(input->queue);
    g_free(input);
}

/* True if the picture fits into the cadence, which then has moved on to it. */
static bool follow_cadence(Cadence *cadence, gint64 pts_ns)
{
    double since_ns = (double)(pts_ns - cadence->instant_ns);
    double steps = floor(since_ns / cadence->interval_ns + 0.5);
    double off_ns = since_ns - steps * cadence->interval_ns;

    if (steps < 1 || steps > CADENCE_MOST_MISSED || fabs(off_ns) > (double)CADENCE_BREAK_NS)
        return false;
    double n = (double)MIN(cadence->n_pictures, CADENCE_PICTURES);
    double alpha = 2 * (2 * n + 1) / ((n + 1) * (n + 2));
    double beta = 6 / ((n + 1) * (n + 2));
    cadence->interval_ns += beta * off_ns / steps;
    gint64 instant_ns = pts_ns - (gint64)((1 - alpha) * off_ns);
    instant_ns = CLAMP(instant_ns, pts_ns - CADENCE_MAX_OFF_NS, pts_ns + CADENCE_MAX_OFF_NS);
    cadence->instant_ns = MAX(instant_ns, cadence->instant_ns + 1);
    cadence->n_pictures++;
    return true;
}

static gint64 choose_instant(Cadence *cadence, gint64 pts_ns)
{
    bool is_first = cadence->n_pictures == 0;
    gint64 interval_ns = pts_ns - cadence->last_pts_ns;

    if (cadence->n_pictures < 2 || !follow_cadence(cadence, pts_ns)) {
        bool is_steady = !is_first && interval_ns > 0 && interval_ns <= CADENCE_SLOWEST_NS;
        cadence->n_pictures = is_steady ? 2 : 1;
        cadence->interval_ns = (double)interval_ns;
        cadence->instant_ns = is_first ? pts_ns : MAX(pts_ns, cadence->instant_ns + 1);
    }
    cadence->last_pts_ns = pts_ns;
    return cadence->instant_ns;
}

/* Pushes the bound between two ticks away from a picture that came `rest_ns` after it. */
static void push_bound(EgPictureInput *input, gint64 rest_ns)
{
    gint64 n_pictures = input->cadence.n_pictures;
    gint64 period_ns = input->period_ns;
    gint64 margin_ns = MIN(HYSTERESIS_NS, period_ns / 6);

    if (n_pictures == 1) {
        input->bias_ns = period_ns / 2 - rest_ns; /* as far away as can be */
        return;
    }
    if (n_pictures < NEW_PICTURES)
        return;
    if (n_pictures < YOUNG_PICTURES)
        margin_ns = MIN(YOUNG_HYSTERESIS_NS, period_ns / 3);
    if (rest_ns < margin_ns)
        input->bias_ns = margin_ns;
    else if (rest_ns > period_ns - margin_ns)
        input->bias_ns = -margin_ns;
    else
        input->bias_ns = CLAMP(input->bias_ns, -margin_ns, margin_ns);
}

/* The tick nearest to the instant, -1 for all before the first. */
static gint64 choose_tick(EgPictureInput *input, gint64 instant_ns)
{
    if (input->cadence.n_pictures == 1)
        input->bias_ns = 0;
    gint64 since_ns = instant_ns - input->origin_ns + input->period_ns / 2 + input->bias_ns;

    if (since_ns < 0)
        return -1;
    guint64 tick = gst_util_uint64_scale((guint64)since_ns, input->fps, (guint64)EG_NS_PER_S);
    gint64 rest_ns =
        since_ns - (gint64)gst_util_uint64_scale(tick, (guint64)EG_NS_PER_S, input->fps);
    push_bound(input, rest_ns);
    return (gint64)tick;
}

/* One picture per tick is enough: a newer one takes its place. */
static void enqueue(EgPictureInput *input, Queued queued)
{
    if (input->n_queued > 0 && input->has_started) {
        Queued *last = queued_at(input, input->n_queued - 1);
        queued.tick = MAX(queued.tick, last->tick);
        if (queued.tick == last->tick) {
            input->stats->surplus_pictures += !last->is_late;
            gst_buffer_unref(last->picture.buffer);
            *last = queued;
            return;
        }
    }
    if (input->n_queued == input->limit) {
        input->stats->surplus_pictures += !queued_at(input, 0)->is_late;
        drop_head(input);
    }
    *queued_at(input, input->n_queued) = queued;
    input->n_queued++;
}

/* True if the picture (then taken) is too late to be shown, for now. */
static bool put_off(EgPictureInput *input, EgPicture picture, gint64 tick, gint64 next_tick)
{
    if ((next_tick - tick) * input->period_ns <= OVERDUE_NS) {
        gst_clear_buffer(&input->overdue.buffer);
        input->overdue = (EgPicture){0};
        input->is_overdue = false;
        return false;
    }
    if (!input->is_overdue) {
        input->is_overdue = true;
        input->overdue_to_tick = next_tick + OVERDUE_PATIENCE_NS / input->period_ns;
    }
    if (next_tick >= input->overdue_to_tick)
        return false;
    gst_clear_buffer(&input->overdue.buffer);
    input->overdue = picture;
    return true;
}

/* The last chance of what was put off: nothing better has come. */
static void show_overdue(EgPictureInput *input)
{
    if (input->overdue.serial == 0)
        return;
    gst_clear_buffer(&input->current.buffer);
    input->current = input->overdue;
    input->overdue = (EgPicture){0};
}

void eg_picture_input_push(EgPictureInput *input, GstBuffer *buffer, guint64 serial,
                           gint64 next_tick)
{
    if (!GST_BUFFER_PTS_IS_VALID(buffer)) {
        gst_buffer_unref(buffer);
        return;
    }
    Queued queued = {
        .picture = {.buffer = buffer, .serial = serial}
    };
    gint64 instant_ns = choose_instant(&input->cadence, (gint64)GST_BUFFER_PTS(buffer));
    queued.picture.instant_ns = instant_ns;
    input->last_serial = serial;
    if (!input->is_live)
        input->black_ns = MAX(input->black_ns, instant_ns + input->period_ns);
    if (input->has_started) {
        gint64 tick = choose_tick(input, instant_ns);
        queued.is_late = tick < next_tick && next_tick > 0;
        queued.tick = MAX(tick, next_tick);
        input->stats->late_pictures += queued.is_late;
        if (put_off(input, queued.picture, queued.is_late ? tick : next_tick, next_tick))
            return;
    }
    enqueue(input, queued);
}

/* The first pictures of a stream often come late and all at once, and the timeline, which knew no
 * better, has them as close together: they are spread to before those that came later, in their
 * cadence. */
static void spread_first(EgPictureInput *input)
{
    gint64 interval_ns = (gint64)input->cadence.interval_ns;

    if (input->cadence.n_pictures < CADENCE_SURE)
        return;
    for (guint i = input->n_queued; i > 1; i--) {
        EgPicture *picture = &queued_at(input, i - 2)->picture;
        gint64 due_ns = queued_at(input, i - 1)->picture.instant_ns - interval_ns;
        if (picture->instant_ns - due_ns > interval_ns / 2)
            picture->instant_ns = due_ns;
    }
}

void eg_picture_input_start(EgPictureInput *input, gint64 origin_ns)
{
    guint n_queued = input->n_queued;

    input->has_started = true;
    input->origin_ns = origin_ns;
    spread_first(input);
    input->n_queued = 0;
    for (guint i = 0; i < n_queued; i++) {
        Queued queued = *queued_at(input, i);
        queued_at(input, i)->picture.buffer = NULL;
        queued.tick = MAX(choose_tick(input, queued.picture.instant_ns), 0);
        enqueue(input, queued);
    }
}

void eg_picture_input_set_live(EgPictureInput *input, bool is_live, gint64 now_ns)
{
    if (input->is_live && !is_live) {
        input->black_ns = now_ns;
        if (input->cadence.n_pictures > 0)
            input->black_ns = MAX(now_ns, input->cadence.instant_ns + input->period_ns);
    } else if (!input->is_live && is_live) {
        input->black_serial = input->last_serial;
    }
    input->is_live = is_live;
}

bool eg_picture_input_is_live(const EgPictureInput *input)
{
    return input->is_live;
}

static bool is_held(const EgPictureInput *input, const EgPicture *picture, gint64 tick_ns)
{
    if (picture->serial == 0 || tick_ns - picture->instant_ns > input->hold_ns)
        return false;
    bool may_be_black = !input->is_live || picture->serial <= input->black_serial;
    return !may_be_black || tick_ns < input->black_ns;
}

EgPicture eg_picture_input_at(const EgPictureInput *input, gint64 tick, gint64 tick_ns)
{
    EgPicture picture = input->current;

    for (guint i = 0; i < input->n_queued && queued_at(input, i)->tick <= tick; i++)
        picture = queued_at(input, i)->picture;
    return is_held(input, &picture, tick_ns) ? picture : (EgPicture){0};
}

bool eg_picture_input_is_past(const EgPictureInput *input, gint64 tick)
{
    return input->n_queued > 0 && queued_at(input, input->n_queued - 1)->tick > tick;
}

void eg_picture_input_release(EgPictureInput *input, gint64 tick)
{
    while (input->n_queued > 0 && queued_at(input, 0)->tick <= tick) {
        gst_clear_buffer(&input->current.buffer);
        input->current = queued_at(input, 0)->picture;
        queued_at(input, 0)->picture.buffer = NULL;
        drop_head(input);
    }
    if (input->is_overdue && tick + 1 >= input->overdue_to_tick)
        show_overdue(input);
}

bool eg_picture_input_is_empty(const EgPictureInput *input, gint64 tick_ns)
{
    return input->n_queued == 0 && !is_held(input, &input->current, tick_ns);
}
