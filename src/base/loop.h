#pragma once

#include <glib.h>
#include <stdbool.h>

/* An event loop that belongs to the thread that made it. Modules that own state take the loop and
 * begin their public functions with eg_loop_assert_owner(): state is never touched from elsewhere;
 * other threads only eg_loop_post(). */
typedef struct _EgLoop EgLoop;

/* A timer; stops when freed. Freeing it inside its own callback is allowed. */
typedef struct _EgTimer EgTimer;

typedef void (*EgLoopFunc)(gpointer user);

/* Makes the loop of the calling thread and its main context the thread's default one. */
EgLoop *eg_loop_new(void);

/* What was posted and has not run is dropped (its data destroyed). NULL is fine. */
void eg_loop_free(EgLoop *loop);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgLoop, eg_loop_free)

GMainContext *eg_loop_context(EgLoop *loop);

/* Runs until eg_loop_quit(). */
void eg_loop_run(EgLoop *loop);
void eg_loop_quit(EgLoop *loop); /* any thread */

/* Runs what is ready, waits for something first if `may_block`; true if anything ran. For tests. */
bool eg_loop_iterate(EgLoop *loop, bool may_block);

/* Any thread: `func(user)` will run on the loop's thread, in the order of posting, never inside
 * this call. `destroy` (may be NULL) is called after that, or when the loop is freed before. */
void eg_loop_post(EgLoop *loop, EgLoopFunc func, gpointer user, GDestroyNotify destroy);

/* Before the loop looks again for what is ready, it sleeps this long, so that what comes in many
 * small pieces is found together, with one wake-up for all. What is posted ends the sleep at once;
 * timers and sockets are late by that much at most. Once per call. */
void eg_loop_rest(EgLoop *loop, gint64 duration_ns);

/* Aborts when the calling thread is not the one that made the loop. */
void eg_loop_assert_owner(const EgLoop *loop);

/* A timer that is not running. */
EgTimer *eg_timer_new(EgLoop *loop, EgLoopFunc func, gpointer user);
void eg_timer_free(EgTimer *timer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgTimer, eg_timer_free)

/* Fires once at `at_ns` of the monotonic clock (base/time.h), at once if that has passed; replaces
 * what was set before. */
void eg_timer_set(EgTimer *timer, gint64 at_ns);

/* eg_timer_set() for `delay_ns` from now. */
void eg_timer_set_after(EgTimer *timer, gint64 delay_ns);

/* It does not fire after this, even if it is due already. */
void eg_timer_clear(EgTimer *timer);
