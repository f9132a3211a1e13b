#pragma once

#include <glib.h>
#include <stdbool.h>

/* A real redis-server on a port of the loopback that was free, without anything on disk, in a
 * temporary folder of its own. It dies with the test. What is waited for fails the test after
 * a minute. */
typedef struct _RedisServer RedisServer;

/* Returns when it accepts connections. `arguments` (NULL-terminated; NULL: none) are added to its
 * command line, like "--requirepass", "secret". With "--tls-cert-file" its port speaks TLS. */
RedisServer *redis_server_new(const char *const *arguments);

/* A sentinel that watches `master` under `name`, alone, with short delays; `password` NULL: none.
 */
RedisServer *redis_server_new_sentinel(RedisServer *master, const char *name, const char *password);

/* Ends the process and waits for that. */
void redis_server_free(RedisServer *server); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RedisServer, redis_server_free)

guint16 redis_server_port(const RedisServer *server);
const char *redis_server_address(const RedisServer *server); /* "127.0.0.1:port" */

/* Its Unix socket. */
const char *redis_server_socket(const RedisServer *server);

/* Kills it; starts it again on the same port with the same arguments, and nothing in it. */
void redis_server_kill(RedisServer *server);
void redis_server_restart(RedisServer *server);

/* Nodes of a cluster ("--cluster-enabled", "yes") get to know each other. */
void redis_server_meet(RedisServer *server, const RedisServer *other);

/* Stopped, it keeps its connections and answers nothing. */
void redis_server_freeze(RedisServer *server);
void redis_server_thaw(RedisServer *server);

/* What it answers to a command in hiredis' format ("SET %s %b"), as text, past any password; the
 * elements of an array are lines. An error fails the test. Free with g_free(). */
char *redis_server_command(RedisServer *server, const char *format, ...);

/* The same for a command that may be refused: repeats it until it is not. */
void redis_server_insist(RedisServer *server, const char *format, ...);

/* How many subscribers a message went to. */
guint redis_server_publish(RedisServer *server, const char *channel, const char *message);

/* Waits until a line of its log, after those that were waited for, contains `text`. */
void redis_server_wait_log(RedisServer *server, const char *text);
