/* What all displays share, with one that is made up: instants, memory of pictures, news. */
#include "display/display.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "display/display-class.h"

#define WIDTH     16
#define HEIGHT    16
#define LUMA      ((gsize)WIDTH * HEIGHT)
#define MAX_KEPT  400
#define JUST_NS   (6 * EG_NS_PER_MS)
#define MORE_KEPT 16 /* pictures that the user may have, beyond those of a second */

typedef struct {
    EgLoop *loop;
    EgDisplay *display;
    GString *told; /* "r" for ready, "f" for failed */
    char *message; /* of the failure */
    GstBuffer *pictures[MAX_KEPT];
    guint n_pictures;
    guint captures;
    guint changes; /* of the screen; its content is the number modulo 256 */
    guint seen;    /* changes when it was captured */
    guint ticks;
    guint n_phases;
    guint phase;           /* of the last look */
    EgTimer *change_timer; /* of what changes around each second look */
    guint busy_at;         /* the user is busy with picture n ... */
    gint64 busy_ns;
    bool opens; /* whether open() succeeds */
    bool hangs; /* when it has opened */
    gint64 start_timeout_ns;
    bool keeps; /* the user keeps all pictures */
    bool is_closed;
} Fixture;

static Fixture *fixture; /* the display's */

static bool open_display(EgDisplay *display, GError **error)
{
    display->variant = fixture;
    if (!fixture->opens) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "cannot open");
        return false;
    }
    eg_display_set_phases(display, MAX(1, fixture->n_phases));
    eg_display_add_environment(display, "SCREEN", "7");
    eg_display_add_browser_flag(display, "--flag");
    if (!fixture->hangs)
        eg_display_put_ready(display);
    return true;
}

static void close_display(EgDisplay *display)
{
    Fixture *f = display->variant;
    f->is_closed = true;
}

static bool capture(EgDisplay *display, guint8 *const planes[3], const gsize strides[3])
{
    Fixture *f = display->variant;
    g_assert_cmpuint(strides[0], ==, WIDTH);
    g_assert_cmpuint(strides[1], ==, WIDTH / 2);
    g_assert_cmpuint(strides[2], ==, WIDTH / 2);
    g_assert_true(planes[1] == planes[0] + LUMA);
    g_assert_true(planes[2] == planes[1] + LUMA / 4);
    f->captures++;
    if (f->captures > 1 && f->seen == f->changes)
        return false;
    f->seen = f->changes;
    memset(planes[0], (int)(f->changes % 256), LUMA * 3 / 2);
    return true;
}

static void ticked(EgDisplay *display)
{
    Fixture *f = display->variant;
    f->ticks++;
    f->phase = eg_display_get_phase(display);
    if (f->change_timer == NULL || f->ticks % 2 == 0)
        return;
    /* Just after this look and just before the next one, which loses the first change. */
    eg_display_put_changed(display);
    eg_timer_set(f->change_timer,
                 eg_display_get_look(display) + EG_NS_PER_S / display->params.fps - JUST_NS);
}

static void on_change(gpointer user)
{
    Fixture *f = user;
    eg_display_put_changed(f->display);
}

static const EgDisplayClass made_up = {open_display, close_display, capture, ticked};

static void on_ready(gpointer user)
{
    Fixture *f = user;
    g_string_append(f->told, "r");
}

static void on_picture(gpointer user, GstBuffer *picture)
{
    Fixture *f = user;
    g_assert_cmpuint(f->n_pictures, <, MAX_KEPT);
    f->pictures[f->n_pictures++] = picture;
    if (!f->keeps && f->n_pictures > 2)
        gst_clear_buffer(&f->pictures[f->n_pictures - 3]);
    gint64 until_ns = eg_now_ns() + f->busy_ns;
    while (f->n_pictures == f->busy_at && eg_now_ns() < until_ns)
        continue;
}

static void on_failed(gpointer user, const GError *error)
{
    Fixture *f = user;
    g_string_append(f->told, "f");
    f->message = g_strdup(error->message);
}

static EgDisplay *new_display(Fixture *f, guint fps, GError **error)
{
    static const EgDisplayEvents events = {on_ready, on_picture, on_failed};
    const EgDisplayParams params = {
        .width = WIDTH,
        .height = HEIGHT,
        .fps = fps,
        .folder = "/nowhere",
        .start_timeout_ns = f->start_timeout_ns,
    };
    return eg_display_new_of_class(f->loop, &made_up, &params, &events, f, error);
}

static void open_at(Fixture *f, guint fps)
{
    g_autoptr(GError) error = NULL;
    f->display = new_display(f, fps, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(f->told->str, ==, ""); /* not from inside */
    while (f->told->len == 0)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpstr(f->told->str, ==, "r");
}

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture = f;
    f->loop = eg_loop_new();
    f->told = g_string_new(NULL);
    f->opens = true;
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    eg_timer_free(f->change_timer);
    eg_display_free(f->display);
    g_assert_true(f->is_closed);
    for (guint i = 0; i < f->n_pictures; i++)
        gst_clear_buffer(&f->pictures[i]);
    g_free(f->message);
    g_string_free(f->told, TRUE);
    eg_loop_free(f->loop);
}

static void wait_pictures(Fixture *f, guint n)
{
    while (f->n_pictures < n)
        eg_loop_iterate(f->loop, true);
}

static void wait_ticks(Fixture *f, guint n)
{
    while (f->ticks < n)
        eg_loop_iterate(f->loop, true);
}

static GstMemory *memory_of(const Fixture *f, guint i)
{
    g_assert_nonnull(f->pictures[i]);
    return gst_buffer_peek_memory(f->pictures[i], 0);
}

/* Picture i must be at an instant of the start's; those left out, the first ones too, have been
 * counted. */
static void check_instants(Fixture *f, guint fps)
{
    EgDisplayStats stats;
    guint64 n_passed = 0;
    for (guint i = 0; i < f->n_pictures; i++) {
        guint64 after_ns = GST_BUFFER_PTS(f->pictures[i]) - (guint64)f->display->origin_ns;
        guint64 tick = gst_util_uint64_scale_round(after_ns, fps, GST_SECOND);
        g_assert_cmpuint(tick, >=, n_passed);
        n_passed = tick + 1;
        g_assert_cmpuint(after_ns, ==, gst_util_uint64_scale(tick, GST_SECOND, fps));
        g_assert_cmpuint(GST_BUFFER_DURATION(f->pictures[i]), ==,
                         gst_util_uint64_scale(tick + 1, GST_SECOND, fps) - after_ns);
    }
    eg_display_get_stats(f->display, &stats);
    g_assert_cmpuint(stats.pictures, ==, f->n_pictures);
    g_assert_cmpuint(stats.missed, ==, n_passed - f->n_pictures);
}

static void test_instants(Fixture *f, gconstpointer data)
{
    guint fps = GPOINTER_TO_UINT(data);
    f->keeps = true;
    open_at(f, fps);
    gint64 before_ns = eg_now_ns();
    eg_display_start(f->display);
    g_assert_cmpuint(f->n_pictures, ==, 0); /* not from inside */
    gint64 after_ns = eg_now_ns();
    wait_pictures(f, 20);
    g_assert_cmpint(f->display->origin_ns, >=, before_ns);
    g_assert_cmpint(f->display->origin_ns, <=, after_ns + EG_NS_PER_S / fps);
    check_instants(f, fps);
}

/* Where looks lose frames they are moved; the instants of pictures are not. */
static void test_phases(Fixture *f, gconstpointer data)
{
    (void)data;
    f->n_phases = 2;
    f->keeps = true;
    open_at(f, 30);
    f->change_timer = eg_timer_new(f->loop, on_change, f);
    eg_display_start(f->display);
    while (f->display->shift == 0)
        eg_loop_iterate(f->loop, true);
    gint64 moved_ns = eg_display_get_look(f->display);
    g_assert_cmpuint(f->phase, ==, f->display->base_phase);
    wait_pictures(f, f->n_pictures + 3);
    g_assert_cmpuint(f->phase, ==, 1 - f->display->base_phase);
    g_assert_cmpint(eg_display_get_look(f->display) - moved_ns, >=, EG_NS_PER_S / 30);
    check_instants(f, 30);
}

static void test_unchanged(Fixture *f, gconstpointer data)
{
    (void)data;
    EgDisplayStats stats;
    f->keeps = true;
    open_at(f, 200);
    eg_display_start(f->display);
    wait_pictures(f, 3);
    f->changes++;
    wait_pictures(f, 5);
    g_assert_true(memory_of(f, 0) == memory_of(f, 1));
    g_assert_true(memory_of(f, 0) == memory_of(f, 2));
    g_assert_true(memory_of(f, 0) != memory_of(f, 3));
    g_assert_true(memory_of(f, 3) == memory_of(f, 4));
    eg_display_get_stats(f->display, &stats);
    g_assert_cmpuint(stats.unchanged, ==, 3);

    /* What the user still holds is not drawn over. */
    guint8 *expected = g_malloc(LUMA * 3 / 2);
    for (guint i = 0; i < 5; i++) {
        memset(expected, i >= 3, LUMA * 3 / 2);
        g_assert_cmpuint(gst_buffer_get_size(f->pictures[i]), ==, LUMA * 3 / 2);
        g_assert_cmpint(gst_buffer_memcmp(f->pictures[i], 0, expected, LUMA * 3 / 2), ==, 0);
    }
    g_free(expected);
}

/* Memory that comes back is used again. */
static void test_memory(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GHashTable) memories = g_hash_table_new(NULL, NULL);
    open_at(f, 500);
    eg_display_start(f->display);
    for (guint n = 1; n <= 100; n++) {
        wait_pictures(f, n);
        f->changes += n % 3 == 0;
        g_hash_table_add(memories, memory_of(f, n - 1));
    }
    g_assert_cmpuint(g_hash_table_size(memories), <=, 4);
}

static void test_missed(Fixture *f, gconstpointer data)
{
    (void)data;
    EgDisplayStats stats;
    f->keeps = true;
    f->busy_at = 3;
    f->busy_ns = EG_NS_PER_S / 20; /* five periods */
    open_at(f, 100);
    eg_display_start(f->display);
    wait_pictures(f, 6);
    check_instants(f, 100);
    eg_display_get_stats(f->display, &stats);
    g_assert_cmpuint(stats.missed, >=, 3);
}

/* A user that never gives a picture back gets no more of them, and the memory has an end. */
static void test_hoarder(Fixture *f, gconstpointer data)
{
    (void)data;
    const guint fps = 100;
    EgDisplayStats stats = {0};
    f->keeps = true;
    open_at(f, fps);
    eg_display_start(f->display);
    while (f->captures < fps + MORE_KEPT) {
        f->changes++;
        eg_loop_iterate(f->loop, true);
    }
    guint ticks = f->ticks;
    wait_ticks(f, ticks + 3);
    g_assert_cmpuint(f->n_pictures, ==, fps + MORE_KEPT);
    eg_display_get_stats(f->display, &stats);
    g_assert_cmpuint(stats.missed, >=, 2);

    gst_clear_buffer(&f->pictures[0]);
    f->changes++;
    wait_pictures(f, fps + MORE_KEPT + 1);
}

static void test_start_stop(Fixture *f, gconstpointer data)
{
    (void)data;
    open_at(f, 200);
    guint ticks = f->ticks;
    wait_ticks(f, ticks + 3);
    g_assert_cmpuint(f->captures, ==, 0);
    eg_display_start(f->display);
    wait_pictures(f, 2);
    eg_display_stop(f->display);
    guint captures = f->captures;
    ticks = f->ticks;
    wait_ticks(f, ticks + 3);
    g_assert_cmpuint(f->captures, ==, captures);
    g_assert_cmpuint(f->n_pictures, ==, 2);
    eg_display_start(f->display);
    wait_pictures(f, 3);
    g_assert_true(memory_of(f, 2) == memory_of(f, 1));
}

static void set_true(gpointer user)
{
    *(bool *)user = true;
}

static void test_failed(Fixture *f, gconstpointer data)
{
    (void)data;
    GError *error = g_error_new_literal(EG_ERROR, EG_ERROR_INTERNAL, "gone");
    open_at(f, 200);
    eg_display_start(f->display);
    wait_pictures(f, 2);
    eg_display_put_failed(f->display, error);
    eg_display_put_failed(f->display, error);
    g_error_free(error);
    g_assert_cmpstr(f->told->str, ==, "r"); /* not from inside */
    while (f->told->len == 1)
        eg_loop_iterate(f->loop, true);
    eg_display_start(f->display);
    bool is_later = false;
    g_autoptr(EgTimer) timer = eg_timer_new(f->loop, set_true, &is_later);
    eg_timer_set_after(timer, EG_NS_PER_S / 50); /* four ticks */
    while (!is_later)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpstr(f->told->str, ==, "rf");
    g_assert_cmpstr(f->message, ==, "gone");
    g_assert_cmpuint(f->n_pictures, ==, 2);
}

static void test_hangs(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    f->hangs = true;
    f->start_timeout_ns = EG_NS_PER_MS;
    f->display = new_display(f, 30, &error);
    g_assert_no_error(error);
    while (f->told->len == 0)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpstr(f->told->str, ==, "f");
    g_assert_cmpstr(f->message, ==, "the display has not started within 0 s");
}

/* Ready and failed before the loop has run: only the failure is told. */
static void test_failed_at_once(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = g_error_new_literal(EG_ERROR, EG_ERROR_INTERNAL, "gone");
    f->display = new_display(f, 200, NULL);
    eg_display_put_failed(f->display, error);
    while (f->told->len == 0)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpstr(f->told->str, ==, "f");
}

static void test_not_opened(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    f->opens = false;
    g_assert_null(new_display(f, 30, &error));
    g_assert_cmpstr(error->message, ==, "cannot open");
    g_assert_true(f->is_closed);
}

static void test_lists(Fixture *f, gconstpointer data)
{
    (void)data;
    open_at(f, 30);
    g_assert_cmpstr(eg_display_environment(f->display)[0], ==, "SCREEN=7");
    g_assert_null(eg_display_environment(f->display)[1]);
    g_assert_cmpstr(eg_display_browser_flags(f->display)[0], ==, "--flag");
    g_assert_null(eg_display_browser_flags(f->display)[1]);
}

static void test_names(void)
{
    g_assert_cmpint(eg_display_kind_from_name("x11"), ==, EG_DISPLAY_X11);
    g_assert_cmpint(eg_display_kind_from_name("X11"), ==, EG_DISPLAY_NONE);
    g_assert_cmpint(eg_display_kind_from_name(""), ==, EG_DISPLAY_NONE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(NULL, NULL);
#define ADD(path, data, test)                                                                      \
    g_test_add("/display/" path, Fixture, GUINT_TO_POINTER(data), set_up, test, tear_down)
    ADD("instants/30", 30, test_instants);
    ADD("instants/60", 60, test_instants);
    ADD("instants/144", 144, test_instants);
    ADD("phases", 0, test_phases);
    ADD("unchanged", 0, test_unchanged);
    ADD("memory", 0, test_memory);
    ADD("missed", 0, test_missed);
    ADD("hoarder", 0, test_hoarder);
    ADD("start-stop", 0, test_start_stop);
    ADD("hangs", 0, test_hangs);
    ADD("failed", 0, test_failed);
    ADD("failed-at-once", 0, test_failed_at_once);
    ADD("not-opened", 0, test_not_opened);
    ADD("lists", 0, test_lists);
#undef ADD
    g_test_add_func("/display/names", test_names);
    return g_test_run();
}
