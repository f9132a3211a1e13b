#pragma once

#include "base/error.h"
#include "bus/redis.h"
#include "mock/redis-server.h"

/* A connection, what it tells, and what it receives. Waiting runs the loop, and fails the test
 * after a minute. */

typedef struct {
    EgLoop *loop;
    EgRedisConfig config; /* its strings belong to the test */
    EgRedis *redis;
    guint n_connected;
    guint n_disconnected;
    guint n_unreachable;
    GError *error; /* of the last loss or failure */
    guint n_locks; /* that were answered */
    bool is_acquired;
    const char *free_at; /* the event in which the connection is freed */
    guint n_freed;       /* so */
} Fixture;

typedef struct {
    Fixture *fixture;
    EgRedisSubscription *subscription;
    guint n_subscribed;
    guint n_messages;
    char *last;                /* message */
    const char *end_at;        /* the event in which it unsubscribes */
    EgRedisSubscription *also; /* and ends this one too */
} Listener;

void fixture_set_up(Fixture *fixture, gconstpointer data);
void fixture_tear_down(Fixture *fixture, gconstpointer data);

/* As `config` says. */
void fixture_open(Fixture *fixture);

/* The same to the address, and waits until it is connected. */
void fixture_connect(Fixture *fixture, const char *address);

/* Until `*counter` is at least `n`. */
void fixture_wait(Fixture *fixture, const guint *counter, guint n);

/* Opens, and sees that each of two tries fails by the code and in these words. */
void fixture_expect_unreachable(Fixture *fixture, EgErrorCode code, const char *text);

/* Subscribes, and waits until it is told so. */
void listener_start(Listener *listener, Fixture *fixture, const char *channel);
void listener_add(Listener *listener, Fixture *fixture, const char *channel); /* does not wait */
void listener_stop(Listener *listener);

/* Publishes by the server, and waits until it arrives. */
void listener_expect(Listener *listener, RedisServer *server, const char *channel,
                     const char *message);

/* Asks for it, waits, and returns whether it was got. */
bool fixture_lock(Fixture *fixture, const char *key);
void fixture_ask_lock(Fixture *fixture, const char *key); /* does not wait */

/* A server that answers the n-th thing that it is told on a connection with the n-th of `replies`,
 * up to NULL, then hangs up. The strings must outlive it. */
typedef struct _FakeServer FakeServer;

FakeServer *fake_server_new(const char *const *replies);
const char *fake_server_address(const FakeServer *fake);
void fake_server_free(FakeServer *fake);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeServer, fake_server_free)
