#include "base/loop.h"

#include "base/time.h"

typedef struct _Post Post;

struct _Post {
    Post *next;
    EgLoopFunc func;
    gpointer user;
    GDestroyNotify destroy;
};

struct _EgLoop {
    GMainContext *context;
    GMainLoop *main_loop;
    GThread *owner;
    GSource *post_source; /* ready while something is posted */
    gint64 rest_ns;       /* 0: none */

    GMutex lock; /* for these */
    GCond posted;
    Post *first_post;
    Post *last_post;
};

typedef struct {
    GSource source;
    EgLoop *loop;
} PostSource;

struct _EgTimer {
    GSource *source;
    EgLoopFunc func;
    gpointer user;
};

static Post *take_posts(EgLoop *loop)
{
    g_mutex_lock(&loop->lock);
    Post *first = loop->first_post;
    loop->first_post = NULL;
    loop->last_post = NULL;
    g_mutex_unlock(&loop->lock);
    return first;
}

static void free_post(Post *post)
{
    if (post->destroy != NULL)
        post->destroy(post->user);
    g_free(post);
}

/* GLib calls this before it looks what is ready. */
static gboolean prepare_posts(GSource *source, gint *timeout_ms)
{
    EgLoop *loop = ((PostSource *)source)->loop;
    *timeout_ms = -1;
    if (loop->rest_ns == 0)
        return FALSE;
    gint64 until_us = g_get_monotonic_time() + loop->rest_ns / EG_NS_PER_US;
    loop->rest_ns = 0;
    g_mutex_lock(&loop->lock);
    while (loop->first_post == NULL && g_cond_wait_until(&loop->posted, &loop->lock, until_us))
        continue;
    g_mutex_unlock(&loop->lock);
    return FALSE;
}

/* What is posted meanwhile has its turn after everything else that is ready. */
static gboolean dispatch_posts(GSource *source, GSourceFunc callback, gpointer data)
{
    (void)callback;
    (void)data;
    EgLoop *loop = ((PostSource *)source)->loop;
    g_source_set_ready_time(source, -1);
    Post *next = NULL;
    for (Post *post = take_posts(loop); post != NULL; post = next) {
        next = post->next;
        post->func(post->user);
        free_post(post);
    }
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs post_funcs = {
    .prepare = prepare_posts,
    .dispatch = dispatch_posts,
};

EgLoop *eg_loop_new(void)
{
    EgLoop *loop = g_new0(EgLoop, 1);
    loop->context = g_main_context_new();
    loop->main_loop = g_main_loop_new(loop->context, FALSE);
    loop->owner = g_thread_self();
    g_mutex_init(&loop->lock);
    g_cond_init(&loop->posted);
    loop->post_source = g_source_new(&post_funcs, sizeof(PostSource));
    ((PostSource *)loop->post_source)->loop = loop;
    g_source_attach(loop->post_source, loop->context);
    g_main_context_push_thread_default(loop->context);
    return loop;
}

static void drop_posts(EgLoop *loop)
{
    Post *next = NULL;
    for (Post *post = take_posts(loop); post != NULL; post = next) {
        next = post->next;
        free_post(post);
    }
}

void eg_loop_free(EgLoop *loop)
{
    if (loop == NULL)
        return;
    eg_loop_assert_owner(loop);
    g_source_destroy(loop->post_source);
    g_source_unref(loop->post_source);
    drop_posts(loop);
    g_main_context_pop_thread_default(loop->context);
    g_main_loop_unref(loop->main_loop);
    g_main_context_unref(loop->context);
    g_cond_clear(&loop->posted);
    g_mutex_clear(&loop->lock);
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

/* A source of its own for each post would cost far more than most of what is posted. */
void eg_loop_post(EgLoop *loop, EgLoopFunc func, gpointer user, GDestroyNotify destroy)
{
    Post *post = g_new(Post, 1);
    *post = (Post){.func = func, .user = user, .destroy = destroy};

    g_mutex_lock(&loop->lock);
    bool was_empty = loop->first_post == NULL;
    if (was_empty)
        loop->first_post = post;
    else
        loop->last_post->next = post;
    loop->last_post = post;
    /* Under the lock: the loop may be freed as soon as this post has run. */
    if (was_empty) {
        g_source_set_ready_time(loop->post_source, 0);
        g_cond_signal(&loop->posted);
    }
    g_mutex_unlock(&loop->lock);
}

void eg_loop_rest(EgLoop *loop, gint64 duration_ns)
{
    eg_loop_assert_owner(loop);
    loop->rest_ns = duration_ns;
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
    /* Found due, and then cleared or set anew by what was dispatched before it in the same round.
     */
    gint64 ready_us = g_source_get_ready_time(source);
    if (ready_us < 0 || ready_us > g_source_get_time(source))
        return G_SOURCE_CONTINUE;
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
