#pragma once

#include "bus/redis-connection.h"

/* Hears from the sentinels, one at a time, when another master takes over: the old one may go on
 * for seconds as if nothing had happened. Loop's thread only. */
typedef struct _EgRedisWatch EgRedisWatch;

/* Begins with `addresses[first]`; all but the loop is borrowed and must outlive the watch. `moved`
 * never comes from inside a call, and the watch may be freed in it. */
EgRedisWatch *eg_redis_watch_new(EgLoop *loop, const GPtrArray *addresses, guint first,
                                 const EgRedisConnectionParams *params, const char *master_name,
                                 void (*moved)(gpointer user), gpointer user);
void eg_redis_watch_free(EgRedisWatch *watch); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgRedisWatch, eg_redis_watch_free)
