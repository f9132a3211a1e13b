#include "base/loop.h"

#include "base/time.h"

struct _EgLoop {
    GMainContext *context;
    GMainLoop *main_loop;
    GThread *owner;
};

struct _EgTimer {
    GSource *source;
    EgLoopFunc func;
    gpointer user;
};

typedef struct {
    EgLoopFunc func;
    gpointer user;
    GDestroyNotify destroy;
} Post;

EgLoop *eg_loop_new(void)
{
    EgLoop *loop = g_new0(EgLoop, 1);
    loop->context = g_main_context_new();
    loop->main_loop = g_main_loop_new(loop->context, FALSE);
    loop->owner = g_thread_self();
    g_main_context_push_thread_default(loop->context);
    return loop;
}

void eg_loop_free(EgLoop *loop)
{
    if (loop == NULL)
        return;
    eg_loop_assert_owner(loop);
    g_main_context_pop_thread_default(loop->context);
    g_main_loop_unref(loop->main_loop);
    g_main_context_unref(loop->context);
    g_free(loop);
}

GMainContext *eg_loop_context(EgLoop *loop)
{
    return loop->context;
}

void eg_loop_run(EgLoop *loop)
{
    eg_loop_assert_owner(loop);
    g_main_loop_run(loop->main_loop);
}

void eg_loop_quit(EgLoop *loop)
{
    g_main_loop_quit(loop->main_loop);
}

bool eg_loop_iterate(EgLoop *loop, bool may_block)
{
    eg_loop_assert_owner(loop);
    return g_main_context_iteration(loop->context, may_block);
}

static gboolean run_post(gpointer data)
{
    Post *post = data;
    post->func(post->user);
    return G_SOURCE_REMOVE;
}

static void free_post(gpointer data)
{
    Post *post = data;
    if (post->destroy != NULL)
        post->destroy(post->user);
    g_free(post);
}

void eg_loop_post(EgLoop *loop, EgLoopFunc func, gpointer user, GDestroyNotify destroy)
{
    Post *post = g_new(Post, 1);
    *post = (Post){.func = func, .user = user, .destroy = destroy};

    g_autoptr(GSource) source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, run_post, post, free_post);
    g_source_attach(source, loop->context);
}

void eg_loop_assert_owner(const EgLoop *loop)
{
    g_assert(loop->owner == g_thread_self());
}

static gboolean prepare_never(GSource *source, gint *timeout_ms)
{
    (void)source;
    *timeout_ms = -1;
    return FALSE;
}

static gboolean dispatch_timer(GSource *source, GSourceFunc callback, gpointer data)
{
    (void)callback;
    EgTimer *timer = data;
    g_source_set_ready_time(source, -1);
    timer->func(timer->user);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs timer_funcs = {
    .prepare = prepare_never,
    .dispatch = dispatch_timer,
};

static gboolean ignore(gpointer data)
{
    (void)data;
    return G_SOURCE_CONTINUE;
}

EgTimer *eg_timer_new(EgLoop *loop, EgLoopFunc func, gpointer user)
{
    eg_loop_assert_owner(loop);
    EgTimer *timer = g_new0(EgTimer, 1);
    timer->func = func;
    timer->user = user;
    timer->source = g_source_new(&timer_funcs, sizeof(GSource));
    /* The callback only carries the timer to dispatch_timer(). */
    g_source_set_callback(timer->source, ignore, timer, NULL);
    g_source_attach(timer->source, loop->context);
    return timer;
}

void eg_timer_free(EgTimer *timer)
{
    if (timer == NULL)
        return;
    g_source_destroy(timer->source);
    g_source_unref(timer->source);
    g_free(timer);
}

void eg_timer_set(EgTimer *timer, gint64 at_ns)
{
    /* GLib counts the same clock in microseconds; rounded up, a timer never fires early. */
    g_source_set_ready_time(timer->source, (at_ns + EG_NS_PER_US - 1) / EG_NS_PER_US);
}

void eg_timer_set_after(EgTimer *timer, gint64 delay_ns)
{
    eg_timer_set(timer, eg_now_ns() + delay_ns);
}

void eg_timer_clear(EgTimer *timer)
{
    g_source_set_ready_time(timer->source, -1);
}
