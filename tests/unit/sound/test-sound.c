/* The private sound daemon, the real one: what programs play to it is heard, at the instant at
 * which they think that it is; and nothing of it stays behind. */
#include "sound/sound.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/run-folder.h"
#include "base/time.h"
#include "unit/sound/player.h"

#define RATE_HZ EG_SOUND_RATE_HZ

/* The clock's line bends by no more. */
#define MAX_BEND_PPM 2000

static const char *own_path; /* of this program, which can also be a player */
static char *root;           /* of the folders: others look for left-overs in the common one */

/* One daemon, and what is heard of it. */
typedef struct {
    EgRunFolder *folder;
    char **environment;
    EgSound *sound;
    bool is_ready;
    GError *error;
    GArray *samples; /* float; left and right by turns */
    gint64 first_ns; /* of the first one; 0: none yet */
    gint64 next_ns;  /* when the next buffer should begin */
    gint64 max_step_ns;
} Ear;

typedef struct {
    EgLoop *loop;
    Ear ears[2];
} Fixture;

static void on_ready(gpointer user)
{
    Ear *ear = user;
    g_assert_false(ear->is_ready);
    ear->is_ready = true;
}

static void on_sound(gpointer user, GstBuffer *sound)
{
    Ear *ear = user;
    g_autoptr(GstBuffer) buffer = sound;
    GstMapInfo map;
    g_assert_true(gst_buffer_map(buffer, &map, GST_MAP_READ));
    g_assert_cmpuint(map.size % (2 * sizeof(float)), ==, 0);
    gint64 at_ns = (gint64)GST_BUFFER_PTS(buffer);
    gint64 length_ns = (gint64)(map.size / 2 / sizeof(float)) * EG_NS_PER_S / RATE_HZ;
    g_assert_cmpint(ABS((gint64)GST_BUFFER_DURATION(buffer) - length_ns), <=, 1);
    if (ear->first_ns == 0)
        ear->first_ns = at_ns;
    else
        ear->max_step_ns =
            MAX(ear->max_step_ns, ABS(at_ns - ear->next_ns) - length_ns / 1000000 * MAX_BEND_PPM);
    ear->next_ns = at_ns + length_ns;
    g_array_append_vals(ear->samples, map.data, (guint)(map.size / sizeof(float)));
    gst_buffer_unmap(buffer, &map);
}

static void on_failed(gpointer user, const GError *error)
{
    Ear *ear = user;
    g_assert_null(ear->error);
    ear->error = g_error_copy(error);
}

static void open_ear(Fixture *f, Ear *ear)
{
    static const EgSoundEvents events = {.ready = on_ready, .sound = on_sound, .failed = on_failed};
    g_autoptr(GError) error = NULL;
    ear->folder = eg_run_folder_new(root, &error);
    g_assert_no_error(error);
    ear->environment = eg_run_folder_environment(ear->folder);
    ear->samples = g_array_new(FALSE, FALSE, sizeof(float));
    const EgSoundParams params = {.folder = eg_run_folder_path(ear->folder),
                                  .environment = (const char *const *)ear->environment};
    ear->sound = eg_sound_new(f->loop, &params, &events, ear, &error);
    g_assert_no_error(error);
}

static void wait_until_ready(Fixture *f, const Ear *ear)
{
    while (!ear->is_ready) {
        g_assert_no_error(ear->error);
        eg_loop_iterate(f->loop, true);
    }
}

static void close_ear(Ear *ear)
{
    eg_sound_free(ear->sound);
    g_clear_pointer(&ear->samples, g_array_unref);
    g_clear_pointer(&ear->environment, g_strfreev);
    g_clear_error(&ear->error);
    eg_run_folder_free(ear->folder);
    *ear = (Ear){0};
}

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    f->loop = eg_loop_new();
    open_ear(f, &f->ears[0]);
    wait_until_ready(f, &f->ears[0]);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    for (gsize i = 0; i < G_N_ELEMENTS(f->ears); i++) {
        if (f->ears[i].folder != NULL)
            close_ear(&f->ears[i]);
    }
    eg_loop_free(f->loop);
}

/* Hears so many samples more. */
static void hear(Fixture *f, Ear *ear, guint n)
{
    guint end = ear->samples->len + 2 * n;
    while (ear->samples->len < end) {
        g_assert_no_error(ear->error);
        eg_loop_iterate(f->loop, true);
    }
}

static float sample_at(const Ear *ear, guint i, guint channel)
{
    return g_array_index(ear->samples, float, 2 * i + channel);
}

/* Of a tone of that frequency, in the last `n` samples of a channel (Goertzel). */
static double level_at(const Ear *ear, double frequency_hz, guint n, guint channel)
{
    double coefficient = 2 * cos(2 * G_PI * frequency_hz / RATE_HZ);
    double one = 0;
    double two = 0;
    for (guint i = ear->samples->len / 2 - n; i < ear->samples->len / 2; i++) {
        double zero = sample_at(ear, i, channel) + coefficient * one - two;
        two = one;
        one = zero;
    }
    return 2 * sqrt(one * one + two * two - coefficient * one * two) / n;
}

/* A program that knows of the sound only what the environment says. */
static GSubprocess *start_player(const Ear *ear, const char *frequency_hz)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autoptr(GPtrArray) environment = g_ptr_array_new();
    for (char **at = ear->environment; *at != NULL; at++)
        g_ptr_array_add(environment, *at);
    for (const char *const *at = eg_sound_environment(ear->sound); *at != NULL; at++)
        g_ptr_array_add(environment, (char *)*at);
    g_ptr_array_add(environment, NULL);
    g_subprocess_launcher_set_environ(launcher, (char **)environment->pdata);
    GSubprocess *process =
        g_subprocess_launcher_spawn(launcher, &error, own_path, "play", frequency_hz, NULL);
    g_assert_no_error(error);
    return process;
}

static void stop_player(GSubprocess *process)
{
    g_subprocess_force_exit(process);
    g_subprocess_wait(process, NULL, NULL);
    g_object_unref(process);
}

/* Until it begins, however long the program needs to start. */
static void hear_begin_of(Fixture *f, Ear *ear, double frequency_hz)
{
    do
        hear(f, ear, RATE_HZ / 10);
    while (level_at(ear, frequency_hz, RATE_HZ / 10, 0) < PLAYER_LEVEL / 2);
    hear(f, ear, RATE_HZ / 5);
}

static void test_silence(Fixture *f, gconstpointer data)
{
    (void)data;
    Ear *ear = &f->ears[0];
    eg_sound_start(ear->sound);
    hear(f, ear, 2 * RATE_HZ);
    for (guint i = 0; i < ear->samples->len; i++)
        g_assert_cmpfloat(g_array_index(ear->samples, float, i), ==, 0);
    /* What is heard is not far from now. */
    gint64 now_ns = eg_now_ns();
    g_assert_cmpint(ear->first_ns, <, now_ns);
    g_assert_cmpint(ear->next_ns, <, now_ns + EG_NS_PER_S);
    g_assert_cmpint(ear->max_step_ns, <=, 100);

    eg_sound_stop(ear->sound);
    guint len = ear->samples->len;
    for (guint i = 0; i < 20; i++)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpuint(ear->samples->len, ==, len);
}

static bool is_near(double level, double expected)
{
    return fabs(level - expected) < PLAYER_LEVEL / 1000;
}

/* Exactly, for it is played as it is. A player that is held up has gaps, so a clean piece is looked
 * for. */
static void test_tone(Fixture *f, gconstpointer data)
{
    (void)data;
    Ear *ear = &f->ears[0];
    eg_sound_start(ear->sound);
    GSubprocess *process = start_player(ear, "1000");
    hear_begin_of(f, ear, 1000);
    bool is_clean = false;
    for (guint i = 0; i < 50 && !is_clean; i++) {
        hear(f, ear, RATE_HZ / 10);
        is_clean = is_near(level_at(ear, 1000, RATE_HZ / 10, 0), PLAYER_LEVEL) &&
                   is_near(level_at(ear, 1000, RATE_HZ / 10, 1), PLAYER_LEVEL) &&
                   is_near(level_at(ear, 1500, RATE_HZ / 10, 0), 0);
    }
    g_assert_true(is_clean);
    stop_player(process);
}

static void test_two(Fixture *f, gconstpointer data)
{
    (void)data;
    Ear *one = &f->ears[0];
    Ear *two = &f->ears[1];
    open_ear(f, two);
    wait_until_ready(f, two);
    eg_sound_start(one->sound);
    eg_sound_start(two->sound);
    GSubprocess *low = start_player(one, "500");
    GSubprocess *high = start_player(two, "3000");
    hear_begin_of(f, two, 3000);
    hear_begin_of(f, one, 500);
    g_assert_cmpfloat(level_at(one, 3000, RATE_HZ / 10, 0), <, PLAYER_LEVEL / 20);
    g_assert_cmpfloat(level_at(two, 500, RATE_HZ / 10, 0), <, PLAYER_LEVEL / 20);
    stop_player(low);
    stop_player(high);
}

static int compare_int64(gconstpointer a, gconstpointer b)
{
    gint64 left = *(const gint64 *)a;
    gint64 right = *(const gint64 *)b;
    return left < right ? -1 : left > right;
}

/* In what was heard from there on. */
static gint64 when_click_was_heard(const Ear *ear, guint from)
{
    for (guint i = from; i < ear->samples->len / 2; i++) {
        if (sample_at(ear, i, 0) > PLAYER_LEVEL / 2)
            return ear->first_ns + i * EG_NS_PER_S / RATE_HZ;
    }
    return EG_TIME_NONE;
}

static gint64 median(GArray *values, guint n)
{
    g_assert_cmpuint(values->len, >=, n);
    g_array_remove_range(values, 0, values->len - n);
    g_array_sort(values, compare_int64);
    return g_array_index(values, gint64, n / 2);
}

/* How much later than the player's own library says. NONE: the player was held up. */
static gint64 click_delay_ns(Fixture *f, Ear *ear, const char *server)
{
    guint from = ear->samples->len / 2;
    g_autoptr(GArray) expected = g_array_new(FALSE, FALSE, sizeof(gint64));
    Player *player = player_new(f->loop, server, PLAYER_CLICK);
    while (when_click_was_heard(ear, from) == EG_TIME_NONE) {
        hear(f, ear, RATE_HZ / 50);
        gint64 at_ns = player_instant_ns(player, PLAYER_CLICK_SAMPLE);
        if (at_ns != EG_TIME_NONE)
            g_array_append_val(expected, at_ns);
    }
    bool is_clean = !player_had_gaps(player);
    player_free(player);
    return is_clean ? when_click_was_heard(ear, from) - median(expected, 9) : EG_TIME_NONE;
}

static void test_instant(Fixture *f, gconstpointer data)
{
    (void)data;
    Ear *ear = &f->ears[0];
    eg_sound_start(ear->sound);
    const char *server =
        g_environ_getenv((char **)eg_sound_environment(ear->sound), "PULSE_SERVER");
    /* The player's clock, too, is off now and then. */
    g_autoptr(GArray) delays = g_array_new(FALSE, FALSE, sizeof(gint64));
    for (guint i = 0; i < 10 && delays->len < 3; i++) {
        gint64 clean_ns = click_delay_ns(f, ear, server);
        if (clean_ns != EG_TIME_NONE)
            g_array_append_val(delays, clean_ns);
    }
    g_assert_cmpuint(delays->len, ==, 3);
    gint64 delay_ns = median(delays, 3);
    g_test_message("heard %.3f ms after the player's instant", (double)delay_ns / EG_NS_PER_MS);
    g_assert_cmpint(ABS(delay_ns), <, 10 * EG_NS_PER_MS);
}

/* The daemon leads a session of its own, below this process. */
static pid_t find_daemon(void)
{
    g_autofree char *path = g_strdup_printf("/proc/self/task/%d/children", getpid());
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_auto(GStrv) pids = g_strsplit(g_strchomp(text), " ", -1);
    g_assert_cmpuint(g_strv_length(pids), ==, 1);
    return (pid_t)g_ascii_strtoll(pids[0], NULL, 10);
}

static void test_killed(Fixture *f, gconstpointer data)
{
    (void)data;
    Ear *ear = &f->ears[0];
    eg_sound_start(ear->sound);
    hear(f, ear, RATE_HZ / 10);
    kill(find_daemon(), SIGKILL);
    while (ear->error == NULL)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpstr(ear->error->message, ==, "PulseAudio has ended (signal 9)");
    g_assert_cmpint(eg_error_blame(ear->error), ==, EG_BLAME_SERVICE);
}

/* It is as good as dead; what it has played until then was heard. */
static void test_hangs(Fixture *f, gconstpointer data)
{
    (void)data;
    Ear *ear = &f->ears[0];
    eg_sound_start(ear->sound);
    hear(f, ear, RATE_HZ / 10);
    kill(find_daemon(), SIGSTOP);
    while (ear->error == NULL)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpstr(ear->error->message, ==, "PulseAudio has not answered for 10 s");
    g_assert_cmpint(eg_error_blame(ear->error), ==, EG_BLAME_SERVICE);
}

/* Files there outlive who made them. */
static bool has_shared_memory(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/maps", pid);
    g_autofree char *maps = NULL;
    g_assert_true(g_file_get_contents(path, &maps, NULL, NULL));
    return strstr(maps, "/dev/shm/") != NULL;
}

static void test_nothing_stays(Fixture *f, gconstpointer data)
{
    (void)data;
    Ear *ear = &f->ears[0];
    g_autofree char *path = g_strdup(eg_run_folder_path(ear->folder));
    eg_sound_start(ear->sound);
    hear(f, ear, RATE_HZ / 10);
    GSubprocess *process = start_player(ear, "1000");
    hear_begin_of(f, ear, 1000);
    stop_player(process);
    pid_t pid = find_daemon();
    g_assert_false(has_shared_memory(pid));
    g_assert_false(has_shared_memory(getpid()));
    close_ear(ear);
    g_assert_cmpint(kill(pid, 0), ==, -1);
    g_assert_cmpint(errno, ==, ESRCH);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* At any moment of its start. */
static void test_free_early(void)
{
    EgLoop *loop = eg_loop_new();
    for (guint turns = 0; turns < 30; turns += 3) {
        Fixture f = {.loop = loop};
        open_ear(&f, &f.ears[0]);
        for (guint i = 0; i < turns && !f.ears[0].is_ready; i++)
            eg_loop_iterate(loop, true);
        close_ear(&f.ears[0]);
    }
    while (eg_loop_iterate(loop, false))
        continue;
    eg_loop_free(loop);
}

static void test_bad_folder(void)
{
    g_autoptr(EgLoop) loop = eg_loop_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("egress test-XXXXXX", NULL);
    const char *const environment[] = {NULL};
    const EgSoundEvents events = {.ready = on_ready, .failed = on_failed};
    const EgSoundParams params = {.folder = folder, .environment = environment};
    g_assert_null(eg_sound_new(loop, &params, &events, NULL, &error));
    g_assert_nonnull(strstr(error->message, "without spaces"));
    g_autofree char *command = g_strdup_printf("rm -r '%s'", folder);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
}

/* Plays until it is killed. */
static int play(const char *frequency_hz)
{
    EgLoop *loop = eg_loop_new();
    player_new(loop, NULL, g_ascii_strtod(frequency_hz, NULL));
    eg_loop_run(loop);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "play") == 0)
        return play(argv[2]);
    own_path = argv[0];
    root = g_dir_make_tmp("egress-test-XXXXXX", NULL);
    gst_init(NULL, NULL);
    g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add(path, Fixture, NULL, set_up, test, tear_down)
    ADD("/sound/silence", test_silence);
    ADD("/sound/tone", test_tone);
    ADD("/sound/two", test_two);
    ADD("/sound/instant", test_instant);
    ADD("/sound/killed", test_killed);
    ADD("/sound/hangs", test_hangs);
    ADD("/sound/nothing-stays", test_nothing_stays);
#undef ADD
    g_test_add_func("/sound/free-early", test_free_early);
    g_test_add_func("/sound/bad-folder", test_bad_folder);
    int result = g_test_run();
    g_assert_cmpint(g_rmdir(root), ==, 0);
    g_free(root);
    return result;
}
