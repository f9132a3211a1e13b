#include "sink/worker.h"

#include "base/error.h"
#include "base/time.h"

/* While an output is completed, how long it may stand still. */
#define STALL_NS (60 * EG_NS_PER_S)

typedef struct {
    gpointer data;
    gsize size_bytes;
} Item;

typedef enum {
    WORKER_NONE,
    WORKER_OPEN,
    WORKER_FINISHING, /* no more items; the output is completed */
    WORKER_CLOSING,   /* no more items; the output is left as it is */
} WorkerState;

/* Shared by the loop's thread and the worker's own. */
struct _EgWorker {
    EgLoop *loop;
    const EgWorkerClass *class;
    char *path;
    gpointer user;
    GThread *thread;

    /* Loop's thread only. */
    gpointer owner;
    bool is_heard; /* `ended` may still be called */
    bool is_abandoned;
    EgTimer *stall_timer;
    guint last_progress;

    GMutex lock; /* for these */
    GCond changed;
    GQueue queue; /* Item */
    gsize queued_bytes;
    guint waiting; /* in the queue, or being worked on */
    guint progress;
    WorkerState state;
    bool has_failed; /* what is pushed is thrown away; what was pushed before is completed */
};

typedef struct {
    EgWorker *worker;
    GError *error;
} Ending;

static void clear_worker(gpointer data)
{
    EgWorker *worker = data;
    worker->class->destroy(worker->user);
    g_mutex_clear(&worker->lock);
    g_cond_clear(&worker->changed);
    g_free(worker->path);
}

static void unref_worker(EgWorker *worker)
{
    g_atomic_rc_box_release_full(worker, clear_worker);
}

static void tell_ended(EgWorker *worker, const GError *error)
{
    if (!worker->is_heard)
        return;
    worker->is_heard = false;
    eg_timer_clear(worker->stall_timer);
    worker->class->ended(worker->owner, error);
}

static void on_ended(gpointer user)
{
    Ending *ending = user;
    tell_ended(ending->worker, ending->error);
}

static void free_ending(gpointer data)
{
    Ending *ending = data;
    unref_worker(ending->worker);
    g_clear_error(&ending->error);
    g_free(ending);
}

/* Any thread. Takes the error. */
static void post_ended(EgWorker *worker, GError *error)
{
    Ending *ending = g_new(Ending, 1);
    *ending = (Ending){.worker = g_atomic_rc_box_acquire(worker), .error = error};
    eg_loop_post(worker->loop, on_ended, ending, free_ending);
}

/* False: there will be none. */
static bool take_item(EgWorker *worker, Item *item)
{
    g_mutex_lock(&worker->lock);
    while (worker->state == WORKER_OPEN && !worker->has_failed && worker->queue.length == 0)
        g_cond_wait(&worker->changed, &worker->lock);
    Item *head = g_queue_pop_head(&worker->queue);
    if (head != NULL) {
        *item = *head;
        worker->queued_bytes -= head->size_bytes;
    }
    g_mutex_unlock(&worker->lock);
    bool is_taken = head != NULL;
    g_free(head);
    return is_taken;
}

/* What waits is of no use any more. */
static void drop_items(EgWorker *worker)
{
    Item item;
    g_mutex_lock(&worker->lock);
    worker->has_failed = true;
    worker->waiting = 0;
    g_mutex_unlock(&worker->lock);
    while (take_item(worker, &item))
        worker->class->unload(item.data);
}

static void note_worked(EgWorker *worker)
{
    g_mutex_lock(&worker->lock);
    worker->waiting -= worker->waiting > 0 ? 1 : 0;
    worker->progress++;
    g_mutex_unlock(&worker->lock);
}

/* What was too much for it is no reason to leave the rest incomplete. */
static bool is_finishing(EgWorker *worker)
{
    g_mutex_lock(&worker->lock);
    bool is_it = worker->state == WORKER_FINISHING || worker->has_failed;
    g_mutex_unlock(&worker->lock);
    return is_it;
}

static gpointer run(gpointer data)
{
    EgWorker *worker = data;
    const EgWorkerClass *class = worker->class;
    GError *error = NULL;
    Item item;
    while (error == NULL && take_item(worker, &item)) {
        class->work(worker->user, item.data, &error);
        note_worked(worker);
    }
    bool ends = error != NULL || is_finishing(worker);
    if (error == NULL && ends)
        class->finish(worker->user, &error);
    if (ends)
        post_ended(worker, error);
    drop_items(worker);
    unref_worker(worker);
    return NULL;
}

static gint64 stall_ns(const EgWorker *worker)
{
    return worker->class->stall_ns > 0 ? worker->class->stall_ns : STALL_NS;
}

static void on_stall_timer(gpointer user)
{
    EgWorker *worker = user;
    g_mutex_lock(&worker->lock);
    guint progress = worker->progress;
    g_mutex_unlock(&worker->lock);
    if (progress != worker->last_progress) {
        worker->last_progress = progress;
        eg_timer_set_after(worker->stall_timer, stall_ns(worker));
        return;
    }
    worker->is_abandoned = true;
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_DEADLINE_EXCEEDED, EG_BLAME_DESTINATION,
                 "%s cannot be completed: nothing was written for %d s", worker->path,
                 (int)(stall_ns(worker) / EG_NS_PER_S));
    tell_ended(worker, error);
}

EgWorker *eg_worker_new(EgLoop *loop, const EgWorkerClass *class, const char *path, gpointer user,
                        gpointer owner)
{
    EgWorker *worker = g_atomic_rc_box_new0(EgWorker);
    worker->loop = loop;
    worker->class = class;
    worker->path = g_strdup(path);
    worker->user = user;
    worker->owner = owner;
    worker->is_heard = true;
    worker->state = WORKER_OPEN;
    g_mutex_init(&worker->lock);
    g_cond_init(&worker->changed);
    g_queue_init(&worker->queue);
    worker->stall_timer = eg_timer_new(loop, on_stall_timer, worker);
    worker->thread = g_thread_new(class->name, run, g_atomic_rc_box_acquire(worker));
    return worker;
}

static void set_state(EgWorker *worker, WorkerState state)
{
    g_mutex_lock(&worker->lock);
    if (worker->state == WORKER_OPEN)
        worker->state = state;
    g_cond_signal(&worker->changed);
    g_mutex_unlock(&worker->lock);
}

void eg_worker_free(EgWorker *worker)
{
    if (worker == NULL)
        return;
    eg_loop_assert_owner(worker->loop);
    worker->is_heard = false;
    set_state(worker, WORKER_CLOSING);
    if (worker->is_abandoned)
        g_thread_unref(worker->thread);
    else
        g_thread_join(worker->thread);
    eg_timer_free(worker->stall_timer);
    unref_worker(worker);
}

void eg_worker_push(EgWorker *worker, gpointer item, gsize size_bytes)
{
    bool is_full = false;
    g_mutex_lock(&worker->lock);
    bool is_taken = worker->state == WORKER_OPEN && !worker->has_failed;
    if (is_taken && worker->queued_bytes + size_bytes > worker->class->limit_bytes) {
        is_full = true;
        is_taken = false;
        worker->has_failed = true;
        g_cond_signal(&worker->changed);
    }
    if (is_taken) {
        Item *queued = g_new(Item, 1);
        *queued = (Item){.data = item, .size_bytes = size_bytes};
        g_queue_push_tail(&worker->queue, queued);
        worker->queued_bytes += size_bytes;
        worker->waiting++;
        g_cond_signal(&worker->changed);
    }
    g_mutex_unlock(&worker->lock);
    if (!is_taken)
        worker->class->unload(item);
    if (!is_full)
        return;
    GError *error = NULL;
    eg_error_set(&error, EG_ERROR_RESOURCE_EXHAUSTED, EG_BLAME_DESTINATION,
                 "the disk is too slow for %s", worker->path);
    post_ended(worker, error);
}

guint eg_worker_waiting(const EgWorker *worker)
{
    EgWorker *shared = (EgWorker *)worker;
    g_mutex_lock(&shared->lock);
    guint waiting = shared->waiting;
    g_mutex_unlock(&shared->lock);
    return waiting;
}

void eg_worker_finish(EgWorker *worker)
{
    eg_loop_assert_owner(worker->loop);
    if (!worker->is_heard)
        return;
    set_state(worker, WORKER_FINISHING);
    eg_timer_set_after(worker->stall_timer, stall_ns(worker));
}
