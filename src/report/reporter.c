#include "report/reporter.h"

#include "base/error.h"
#include "base/time.h"
#include "proto/message.h"

#define FIRST_PAUSE_NS   (EG_NS_PER_S / 2)
#define LONGEST_PAUSE_NS (60 * EG_NS_PER_S)

typedef void (*DoneFunc)(gpointer user, const GError *error);

struct _EgReporter {
    EgLoop *loop;
    EgPublisher publisher;
    const EgLog *log;
    EgReporterEvents events;
    gpointer user;
    gint64 first_pause_ns;
    gint64 longest_pause_ns;
    bool is_healthy;
    GHashTable *queues; /* egress id -> Queue, as long as something is to be delivered */
    GQueue refused;     /* of Refusal */
    EgTimer *refusal_timer;
    bool *is_freed; /* while a callback runs after which it is used */
};

typedef struct _Attempt Attempt;

/* Of one egress. Either an attempt is under way, or the timer runs until the next. */
typedef struct {
    EgReporter *reporter;
    char *egress_id;
    Attempt *attempt;
    Livekit__EgressInfo *waiting; /* the newest that no attempt was made for, or the last failed */
    EgTimer *timer;
    gint64 pause_ns;
    DoneFunc created; /* of the creation that is under way */
    gpointer created_user;
} Queue;

/* Lives until the publisher has told what became of it. */
struct _Attempt {
    Queue *queue; /* NULL: gone */
    Livekit__EgressInfo *info;
    bool is_new;
};

/* A creation that was not even tried. */
typedef struct {
    DoneFunc done;
    gpointer user;
} Refusal;

static void info_free(Livekit__EgressInfo *info)
{
    if (info != NULL)
        livekit__egress_info__free_unpacked(info, NULL);
}

static Livekit__EgressInfo *info_copy(const Livekit__EgressInfo *info)
{
    return (Livekit__EgressInfo *)(gpointer)eg_proto_copy(&info->base);
}

static bool is_final(const Livekit__EgressInfo *info)
{
    return info->status >= LIVEKIT__EGRESS_STATUS__EGRESS_COMPLETE;
}

static void attempt_free(Attempt *attempt)
{
    info_free(attempt->info);
    g_free(attempt);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Attempt, attempt_free)

static void queue_free(gpointer data)
{
    Queue *queue = data;
    if (queue->attempt != NULL)
        queue->attempt->queue = NULL;
    info_free(queue->waiting);
    eg_timer_free(queue->timer);
    g_free(queue->egress_id);
    g_free(queue);
}

static void on_attempt_done(gpointer user, const GError *error);

/* Takes `info`. */
static void try(Queue *queue, Livekit__EgressInfo *info, bool is_new)
{
    Attempt *attempt = g_new0(Attempt, 1);
    attempt->queue = queue;
    attempt->info = info;
    attempt->is_new = is_new;
    queue->attempt = attempt;
    eg_timer_clear(queue->timer);
    const EgPublisher *publisher = &queue->reporter->publisher;
    publisher->class->publish(publisher->publisher, info, is_new, on_attempt_done, attempt);
}

static void try_waiting(gpointer user)
{
    Queue *queue = user;
    try(queue, g_steal_pointer(&queue->waiting), false);
}

static Queue *queue_new(EgReporter *reporter, const char *egress_id)
{
    Queue *queue = g_new0(Queue, 1);
    queue->reporter = reporter;
    queue->egress_id = g_strdup(egress_id);
    queue->timer = eg_timer_new(reporter->loop, try_waiting, queue);
    queue->pause_ns = reporter->first_pause_ns;
    g_hash_table_insert(reporter->queues, queue->egress_id, queue);
    return queue;
}

/* Goes on with what came meanwhile; without it the queue is gone. */
static void proceed(Queue *queue)
{
    queue->pause_ns = queue->reporter->first_pause_ns;
    if (queue->waiting != NULL)
        try_waiting(queue);
    else
        g_hash_table_remove(queue->reporter->queues, queue->egress_id);
}

/* False: the reporter is gone. */
static bool set_healthy(EgReporter *reporter, bool is_healthy)
{
    if (reporter->is_healthy == is_healthy)
        return true;
    reporter->is_healthy = is_healthy;
    if (reporter->events.healthy == NULL)
        return true;
    bool is_freed = false;
    reporter->is_freed = &is_freed;
    reporter->events.healthy(reporter->user, is_healthy);
    if (is_freed)
        return false;
    reporter->is_freed = NULL;
    return true;
}

/* A failed creation says nothing about health: no later try would show that it is over. */
static void on_creation_done(Queue *queue, const GError *error)
{
    EgReporter *reporter = queue->reporter;
    const DoneFunc created = queue->created;
    gpointer created_user = queue->created_user;
    if (error != NULL)
        g_hash_table_remove(reporter->queues, queue->egress_id);
    else
        proceed(queue);
    if (error == NULL && !set_healthy(reporter, true))
        return;
    created(created_user, error);
}

static void retry_later(Queue *queue, Attempt *attempt, const GError *error)
{
    EgReporter *reporter = queue->reporter;
    if (queue->waiting == NULL)
        queue->waiting = g_steal_pointer(&attempt->info);
    eg_warn(reporter->log, "egress update not delivered, will be tried again",
            EG_STR("egressID", queue->egress_id), EG_STR("error", error->message),
            EG_REAL("pauseSeconds", (double)queue->pause_ns / EG_NS_PER_S));
    eg_timer_set_after(queue->timer, queue->pause_ns);
    queue->pause_ns = MIN(queue->pause_ns * 2, reporter->longest_pause_ns);
    set_healthy(reporter, false);
}

static void on_attempt_done(gpointer user, const GError *error)
{
    g_autoptr(Attempt) attempt = user;
    Queue *queue = attempt->queue;
    if (queue == NULL)
        return;
    EgReporter *reporter = queue->reporter;
    queue->attempt = NULL;
    if (attempt->is_new) {
        on_creation_done(queue, error);
        return;
    }
    if (eg_error_is_retryable(error)) {
        retry_later(queue, attempt, error);
        return;
    }
    if (error != NULL)
        eg_error_log(reporter->log, "egress update refused", EG_STR("egressID", queue->egress_id),
                     EG_STR("error", error->message),
                     EG_STR("code", eg_error_code_name(eg_error_code(error))));
    proceed(queue);
    if (!set_healthy(reporter, true))
        return;
    if (is_final(attempt->info) && reporter->events.delivered != NULL)
        reporter->events.delivered(reporter->user, attempt->info->egress_id);
}

static void on_refusal_timer(gpointer user)
{
    EgReporter *reporter = user;
    g_autofree Refusal *refusal = g_queue_pop_head(&reporter->refused);
    if (!g_queue_is_empty(&reporter->refused))
        eg_timer_set(reporter->refusal_timer, 0);
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_ALREADY_EXISTS, EG_BLAME_REQUEST, "egress already exists");
    refusal->done(refusal->user, error);
}

static void refuse(EgReporter *reporter, DoneFunc done, gpointer user)
{
    Refusal *refusal = g_new0(Refusal, 1);
    refusal->done = done;
    refusal->user = user;
    g_queue_push_tail(&reporter->refused, refusal);
    eg_timer_set(reporter->refusal_timer, 0);
}

void eg_reporter_create(EgReporter *reporter, const Livekit__EgressInfo *info,
                        void (*done)(gpointer user, const GError *error), gpointer user)
{
    eg_loop_assert_owner(reporter->loop);
    if (g_hash_table_contains(reporter->queues, info->egress_id)) {
        refuse(reporter, done, user);
        return;
    }
    Queue *queue = queue_new(reporter, info->egress_id);
    queue->created = done;
    queue->created_user = user;
    try(queue, info_copy(info), true);
}

void eg_reporter_update(EgReporter *reporter, const Livekit__EgressInfo *info)
{
    eg_loop_assert_owner(reporter->loop);
    Queue *queue = g_hash_table_lookup(reporter->queues, info->egress_id);
    if (queue == NULL) {
        try(queue_new(reporter, info->egress_id), info_copy(info), false);
        return;
    }
    info_free(queue->waiting);
    queue->waiting = info_copy(info);
}

guint eg_reporter_pending(const EgReporter *reporter)
{
    return g_hash_table_size(reporter->queues);
}

void eg_reporter_retry_now(EgReporter *reporter)
{
    eg_loop_assert_owner(reporter->loop);
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, reporter->queues);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Queue *queue = value;
        queue->pause_ns = reporter->first_pause_ns;
        if (queue->attempt == NULL)
            try_waiting(queue);
    }
}

void eg_reporter_set_pauses(EgReporter *reporter, gint64 first_ns, gint64 longest_ns)
{
    reporter->first_pause_ns = first_ns;
    reporter->longest_pause_ns = longest_ns;
}

EgReporter *eg_reporter_new(EgLoop *loop, EgPublisher publisher, const EgLog *log,
                            const EgReporterEvents *events, gpointer user)
{
    eg_loop_assert_owner(loop);
    EgReporter *reporter = g_new0(EgReporter, 1);
    reporter->loop = loop;
    reporter->publisher = publisher;
    reporter->log = log;
    reporter->events = *events;
    reporter->user = user;
    reporter->first_pause_ns = FIRST_PAUSE_NS;
    reporter->longest_pause_ns = LONGEST_PAUSE_NS;
    reporter->is_healthy = true;
    reporter->queues = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, queue_free);
    g_queue_init(&reporter->refused);
    reporter->refusal_timer = eg_timer_new(loop, on_refusal_timer, reporter);
    return reporter;
}

void eg_reporter_free(EgReporter *reporter)
{
    if (reporter == NULL)
        return;
    eg_loop_assert_owner(reporter->loop);
    if (reporter->is_freed != NULL)
        *reporter->is_freed = true;
    g_hash_table_unref(reporter->queues);
    g_queue_clear_full(&reporter->refused, g_free);
    eg_timer_free(reporter->refusal_timer);
    g_free(reporter);
}
