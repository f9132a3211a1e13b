#pragma once

#include <glib.h>
#include <stdbool.h>

/* What requests to S3 and to AWS's other services are signed with. Immutable; threads share it. */
typedef struct {
    char *access_key;
    char *secret;
    char *session_token; /* NULL: none */
    gint64 expires_s;    /* Unix time; 0: never */
} EgS3Key;

/* Copies the texts; an empty `session_token` is none. One reference. */
EgS3Key *eg_s3_key_new(const char *access_key, const char *secret, const char *session_token,
                       gint64 expires_s);

/* Of the JSON that services and programs tell keys in; NULL if there is none. */
EgS3Key *eg_s3_key_parse(const char *json);
EgS3Key *eg_s3_key_ref(EgS3Key *key);
void eg_s3_key_unref(EgS3Key *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgS3Key, eg_s3_key_unref)

/* What time the others have, which requests are dated by: that of this machine, until somebody has
 * refused it. All zero: as this machine. Any thread. */
typedef struct {
    gint offset_s; /* atomic */
} EgS3Clock;

gint64 eg_s3_clock_now_s(const EgS3Clock *clock);

/* By the Date header of an answer (NULL: none). True if the clock was off by more than a minute. */
bool eg_s3_clock_correct(EgS3Clock *clock, const char *date);

/* "2026-11-29T20:00:00Z", as services tell when a key ends; false for anything else, also NULL. */
bool eg_s3_time_parse(const char *text, gint64 *time_s);
