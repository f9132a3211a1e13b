/* A page as a source: a private display and sound daemon, a browser that draws and plays there, and
 * what is seen and heard from the moment on at which the page is ready. */
#include <string.h>

#include "base/error.h"
#include "base/run-folder.h"
#include "base/time.h"
#include "browser/browser.h"
#include "browser/page-guard.h"
#include "display/display.h"
#include "proto/redact.h"
#include "sound/sound.h"
#include "source/source-class.h"

/* What a page draws for an instant is seen about this much later. (Sound is timed exactly.)
 * Chromium has one frame or two on the way to the display, so that it is 15 or 32 ms for a script
 * that draws what it plays; of a film it takes the frames early, and it is from -10 to 26. Where
 * pictures are as many as refreshes it is from 9 to 50 (bench/PAGES.md). */
#define DRAWING_NS      (11 * EG_NS_PER_MS)
#define FAST_DRAWING_NS (30 * EG_NS_PER_MS)
#define FAST_FPS        40 /* more than that */

/* Of the sound of before the first picture, so much is kept: more than belongs to that. */
#define KEPT_SOUND_NS (100 * EG_NS_PER_MS)

typedef enum {
    PHASE_NONE,
    PHASE_PREPARING, /* display and sound, then the browser */
    PHASE_LOADING,
    PHASE_WAITING,  /* for the page's word, if it is awaited, and the sound */
    PHASE_PAINTING, /* until what the page shows is on the display */
    PHASE_RECORDING,
    PHASE_ENDED,
} Phase;

typedef struct {
    EgLoop *loop;
    const EgPlan *plan;
    const EgConfig *config;
    const EgLog *log;
    EgSourceEvents events;
    gpointer user;
    Phase phase;
    char *url;   /* that is opened: with its secrets */
    char *shown; /* what it is, for people and logs */
    EgRunFolder *folder;
    char **environment; /* of everything that runs */
    EgPageGuard *guard; /* NULL: a page that is trusted */
    EgDisplay *display;
    EgSound *sound;      /* NULL: not recorded */
    bool is_sound_ready; /* or there is none */
    EgBrowser *browser;  /* NULL until the display is ready */
    gpointer pictures;   /* the user's; NULL: not recorded */
    gpointer sounds;
    GQueue kept_sound;    /* of the last moment before the recording */
    EgTimer *found_timer; /* tells `found` */
    bool has_signaled;    /* START_RECORDING */
} Page;

static void end(Page *page, EgEndReason reason, const GError *error)
{
    if (page->phase == PHASE_ENDED)
        return;
    page->phase = PHASE_ENDED;
    page->events.ended(page->user, reason, error);
}

static void fail(Page *page, const GError *error)
{
    end(page, EG_END_FAILURE, error);
}

/* The session opens the graph while the browser starts. */
static void on_found_due(gpointer user)
{
    Page *page = user;
    const EgPlan *plan = page->plan;
    const EgSourceFacts facts = {
        .room_name = plan->room_name,
        .room_sid = plan->room_id,
        .page = page->shown,
    };
    page->events.found(page->user, &facts);
    if (eg_selection_has(&plan->selection, EG_MEDIA_VIDEO))
        page->pictures = page->events.raw_added(page->user, EG_MEDIA_VIDEO, 0);
    if (page->sound != NULL)
        page->sounds = page->events.raw_added(page->user, EG_MEDIA_AUDIO, EG_SOUND_RATE_HZ);
    page->events.tracks_complete(page->user);
}

/* What is seen and heard. */

static void on_picture(gpointer user, GstBuffer *picture)
{
    Page *page = user;
    GST_BUFFER_PTS(picture) -= page->plan->page.fps > FAST_FPS ? FAST_DRAWING_NS : DRAWING_NS;
    page->events.raw(page->user, page->pictures, picture);
}

static gint64 kept_sound_ns(Page *page)
{
    const GstBuffer *first = g_queue_peek_head(&page->kept_sound);
    const GstBuffer *last = g_queue_peek_tail(&page->kept_sound);
    return (gint64)(GST_BUFFER_PTS(last) - GST_BUFFER_PTS(first));
}

/* A page that crashes before it is on the display, or takes its time, is not recorded until then:
 * neither is its sound. */
static void on_sound(gpointer user, GstBuffer *sound)
{
    Page *page = user;
    if (page->phase >= PHASE_RECORDING) {
        page->events.raw(page->user, page->sounds, sound);
        return;
    }
    g_queue_push_tail(&page->kept_sound, sound);
    while (kept_sound_ns(page) > KEPT_SOUND_NS)
        gst_buffer_unref(g_queue_pop_head(&page->kept_sound));
}

static void push_kept_sound(Page *page)
{
    GstBuffer *sound;
    while ((sound = g_queue_pop_head(&page->kept_sound)) != NULL)
        page->events.raw(page->user, page->sounds, sound);
}

static void on_part_failed(gpointer user, const GError *error)
{
    fail(user, error);
}

/* The browser. */

/* When all is there that is waited for. */
static void start_if_ready(Page *page)
{
    bool is_said = !page->plan->page.awaits_signal || page->has_signaled;
    if (page->phase != PHASE_WAITING || !is_said || !page->is_sound_ready)
        return;
    page->phase = PHASE_PAINTING;
    /* So that the first picture has all of its sound. */
    if (page->sounds != NULL)
        eg_sound_start(page->sound);
    eg_browser_await_painted(page->browser);
}

/* The first picture is of the page that is ready, not of what was before. */
static void on_painted(gpointer user)
{
    Page *page = user;
    if (page->phase != PHASE_PAINTING)
        return;
    page->phase = PHASE_RECORDING;
    eg_info(page->log, "page is ready", EG_STR("page", page->shown));
    push_kept_sound(page);
    if (page->pictures != NULL)
        eg_display_start(page->display);
}

static void on_browser_ready(gpointer user)
{
    Page *page = user;
    page->phase = PHASE_LOADING;
    eg_browser_open(page->browser, page->url);
}

static void on_loaded(gpointer user)
{
    Page *page = user;
    if (page->phase != PHASE_LOADING)
        return;
    page->phase = PHASE_WAITING;
    start_if_ready(page);
}

static void obey_start(Page *page, const char *value)
{
    (void)value;
    page->has_signaled = true;
    start_if_ready(page);
}

static void obey_end(Page *page, const char *value)
{
    (void)value;
    end(page, EG_END_SOURCE_CLOSED, NULL);
}

/* What any other page calls a layout is nobody's business. */
static void note_layout(Page *page, const char *value)
{
    if (page->plan->page.layout != NULL && page->phase != PHASE_ENDED)
        page->events.layout_changed(page->user, value);
}

static void on_signaled(gpointer user, EgBrowserSignal signal, const char *value)
{
    static void (*const handlers[EG_N_BROWSER_SIGNALS])(Page *, const char *) = {
        [EG_BROWSER_SIGNAL_START] = obey_start,
        [EG_BROWSER_SIGNAL_END] = obey_end,
        [EG_BROWSER_SIGNAL_LAYOUT] = note_layout,
    };
    handlers[signal](user, value);
}

/* What was on the screen stays there until the page is back. */
static void on_crashed(gpointer user, const GError *error)
{
    Page *page = user;
    if (!page->plan->page.reloads_crashed) {
        fail(page, error);
        return;
    }
    eg_warn(page->log, "page has crashed, and is loaded again", EG_STR("error", error->message));
    if (page->phase == PHASE_WAITING || page->phase == PHASE_PAINTING) {
        page->phase = PHASE_LOADING;
        page->has_signaled = false;
    }
    eg_browser_open(page->browser, page->url);
}

static const char *get_proxy_error(gpointer user, const char *host)
{
    Page *page = user;
    return page->guard != NULL ? eg_page_guard_error(page->guard, host) : NULL;
}

static const EgBrowserEvents browser_events = {
    .ready = on_browser_ready,
    .loaded = on_loaded,
    .signaled = on_signaled,
    .painted = on_painted,
    .crashed = on_crashed,
    .failed = on_part_failed,
    .proxy_error = get_proxy_error,
};

static void add_all(GStrvBuilder *builder, const char *const *texts)
{
    for (; texts != NULL && *texts != NULL; texts++)
        g_strv_builder_add(builder, *texts);
}

static void open_browser(Page *page)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autoptr(GError) error = NULL;
    add_all(builder, (const char *const *)page->environment);
    add_all(builder, eg_display_environment(page->display));
    add_all(builder, page->sound != NULL ? eg_sound_environment(page->sound) : NULL);
    g_auto(GStrv) environment = g_strv_builder_end(builder);
    const EgBrowserParams params = {
        .folder = eg_run_folder_path(page->folder),
        .width = page->plan->page.width,
        .height = page->plan->page.height,
        .environment = (const char *const *)environment,
        .display_flags = eg_display_browser_flags(page->display),
        .extra_flags = (const char *const *)page->config->browser_flags,
        .proxy = page->guard != NULL ? eg_page_guard_proxy(page->guard) : NULL,
        .login_url = page->url,
        .has_sound = page->sound != NULL,
        .is_sandboxed = page->config->is_browser_sandboxed,
        .is_insecure = page->config->is_browser_insecure,
        .awaits_signal = page->plan->page.awaits_signal,
        .logs_console = page->config->logs_console,
        .decodes_at_refreshes = page->plan->page.is_own,
        .log = page->log,
    };
    page->browser = eg_browser_new(page->loop, &params, &browser_events, page, &error);
    if (page->browser == NULL)
        fail(page, error);
}

/* The sound daemon need not be ready: programs wait for it. */
static void on_display_ready(gpointer user)
{
    open_browser(user);
}

static void on_sound_ready(gpointer user)
{
    Page *page = user;
    page->is_sound_ready = true;
    start_if_ready(page);
}

static const EgDisplayEvents display_events = {
    .ready = on_display_ready,
    .picture = on_picture,
    .failed = on_part_failed,
};

static const EgSoundEvents sound_events = {
    .ready = on_sound_ready,
    .sound = on_sound,
    .failed = on_part_failed,
};

static EgDisplayKind display_kind(const EgConfig *config)
{
    return config->uses_x11 ? EG_DISPLAY_X11 : EG_DISPLAY_WAYLAND;
}

/* A template is told of its room in its query; what stands there first is what pages read. Our own
 * is told of the display as well. */
static char *make_url(const EgPlan *plan, const char *token, EgDisplayKind display)
{
    if (plan->page.layout == NULL)
        return g_strdup(plan->page.url);
    g_autofree char *layout = g_uri_escape_string(plan->page.layout, NULL, FALSE);
    g_autofree char *server = g_uri_escape_string(plan->ws_url, NULL, FALSE);
    g_autofree char *pass = g_uri_escape_string(token, NULL, FALSE);
    gsize length = strcspn(plan->page.url, "?#");
    const char *rest = plan->page.url + length;
    g_autofree char *shown_on =
        plan->page.is_own ? g_strconcat("&display=", eg_display_kind_name(display), NULL) : NULL;
    return g_strdup_printf("%.*s?layout=%s&token=%s&url=%s%s%s%s", (int)length, plan->page.url,
                           layout, pass, server, shown_on != NULL ? shown_on : "",
                           *rest == '?' ? "&" : "", *rest == '?' ? rest + 1 : rest);
}

/* For people and logs. */
static char *describe(const EgPlan *plan)
{
    const char *layout = plan->page.layout;
    if (layout == NULL)
        return eg_redact_url(plan->page.url);
    return g_strdup_printf("room %s%s%s", plan->room_name, *layout != '\0' ? ", layout " : "",
                           layout);
}

static bool open_parts(Page *page, GError **error)
{
    const EgPlan *plan = page->plan;
    page->folder = eg_run_folder_new(NULL, error);
    if (page->folder == NULL)
        return false;
    page->environment = eg_run_folder_environment(page->folder);
    const char *const *environment = (const char *const *)page->environment;
    const EgDisplayParams display = {
        .kind = display_kind(page->config),
        .width = plan->page.width,
        .height = plan->page.height,
        .fps = plan->page.fps,
        .folder = eg_run_folder_path(page->folder),
        .environment = environment,
        .log = page->log,
    };
    page->display = eg_display_new(page->loop, &display, &display_events, page, error);
    if (page->display == NULL)
        return false;
    page->is_sound_ready = !eg_selection_has(&plan->selection, EG_MEDIA_AUDIO);
    if (!page->is_sound_ready) {
        const EgSoundParams sound = {
            .folder = display.folder, .environment = environment, .log = page->log};
        page->sound = eg_sound_new(page->loop, &sound, &sound_events, page, error);
        if (page->sound == NULL)
            return false;
    }
    if (plan->page.is_trusted)
        return true;
    const EgPageGuardParams guard = {
        .allowed = (const char *const *)page->config->web_allow,
        .log = page->log,
    };
    page->guard = eg_page_guard_new(page->loop, &guard, error);
    return page->guard != NULL;
}

static void close_page(gpointer variant)
{
    Page *page = variant;
    eg_browser_free(page->browser);
    eg_page_guard_free(page->guard);
    eg_sound_free(page->sound);
    eg_display_free(page->display);
    eg_run_folder_free(page->folder);
    g_queue_clear_full(&page->kept_sound, (GDestroyNotify)gst_buffer_unref);
    eg_timer_free(page->found_timer);
    g_strfreev(page->environment);
    g_free(page->url);
    g_free(page->shown);
    g_free(page);
}

static gpointer open_page(const EgSourceParams *params, GError **error)
{
    Page *page = g_new0(Page, 1);
    page->loop = params->loop;
    page->plan = params->plan;
    page->config = params->config;
    page->log = params->log;
    page->events = params->events;
    page->user = params->user;
    page->phase = PHASE_PREPARING;
    page->url = make_url(params->plan, params->token, display_kind(params->config));
    page->shown = describe(params->plan);
    page->found_timer = eg_timer_new(params->loop, on_found_due, page);
    eg_timer_set(page->found_timer, 0);
    if (open_parts(page, error))
        return page;
    close_page(page);
    return NULL;
}

static void get_stats(gpointer variant, EgSourceStats *stats)
{
    Page *page = variant;
    EgDisplayStats display;
    eg_display_get_stats(page->display, &display);
    stats->missed_pictures = display.missed;
}

const EgSourceClass eg_source_page = {
    .open = open_page,
    .close = close_page,
    .get_stats = get_stats,
};
