#pragma once

#include <glib.h>
#include <stdbool.h>

#define EG_NS_PER_S  G_GINT64_CONSTANT(1000000000)
#define EG_NS_PER_MS G_GINT64_CONSTANT(1000000)
#define EG_NS_PER_US G_GINT64_CONSTANT(1000)

/* No time: a time that is not known yet. */
#define EG_TIME_NONE G_MININT64

/* Nanoseconds of the monotonic clock. Only the modules at the rim (transport, session, loop) ask
 * it; everything inside is handed `now_ns`, so that tests can say what time it is. */
gint64 eg_now_ns(void);

/* Nanoseconds since the Unix epoch, for what is reported to people and other machines. */
gint64 eg_wall_now_ns(void);

/* Parses "90", "90s", "1h30m", "250ms" (a bare number counts seconds) as Go's time.ParseDuration
 * does. Returns false for anything else, for negative and for overlong values. */
bool eg_duration_parse(const char *text, gint64 *duration_ns);
