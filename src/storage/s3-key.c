#include "storage/s3-key.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/time.h"

#define TOLERANCE_S 60

static char *copy_text(const char *text)
{
    return text != NULL && *text != '\0' ? g_strdup(text) : NULL;
}

EgS3Key *eg_s3_key_new(const char *access_key, const char *secret, const char *session_token,
                       gint64 expires_s)
{
    EgS3Key *key = g_atomic_rc_box_new(EgS3Key);
    *key = (EgS3Key){
        .access_key = g_strdup(access_key),
        .secret = g_strdup(secret),
        .session_token = copy_text(session_token),
        .expires_s = expires_s,
    };
    return key;
}

/* Services say "Token", programs "SessionToken". */
EgS3Key *eg_s3_key_parse(const char *json)
{
    json_t *root = json_loads(json, 0, NULL);
    const char *access_key = json_string_value(json_object_get(root, "AccessKeyId"));
    const char *secret = json_string_value(json_object_get(root, "SecretAccessKey"));
    const char *token = json_string_value(json_object_get(root, "Token"));
    gint64 expires_s = 0;
    EgS3Key *key = NULL;
    if (token == NULL)
        token = json_string_value(json_object_get(root, "SessionToken"));
    if (access_key != NULL && secret != NULL) {
        eg_s3_time_parse(json_string_value(json_object_get(root, "Expiration")), &expires_s);
        key = eg_s3_key_new(access_key, secret, token, expires_s);
    }
    json_decref(root);
    return key;
}

EgS3Key *eg_s3_key_ref(EgS3Key *key)
{
    return g_atomic_rc_box_acquire(key);
}

static void clear_key(gpointer data)
{
    EgS3Key *key = data;
    g_free(key->access_key);
    g_free(key->secret);
    g_free(key->session_token);
}

void eg_s3_key_unref(EgS3Key *key)
{
    if (key != NULL)
        g_atomic_rc_box_release_full(key, clear_key);
}

gint64 eg_s3_clock_now_s(const EgS3Clock *clock)
{
    return eg_wall_now_ns() / EG_NS_PER_S + g_atomic_int_get(&clock->offset_s);
}

bool eg_s3_clock_correct(EgS3Clock *clock, const char *date)
{
    time_t theirs = date != NULL ? curl_getdate(date, NULL) : -1;
    if (theirs == -1)
        return false;
    bool was_off = llabs(theirs - eg_s3_clock_now_s(clock)) > TOLERANCE_S;
    gint64 offset_s = theirs - eg_wall_now_ns() / EG_NS_PER_S;
    if (was_off)
        g_atomic_int_set(&clock->offset_s, (gint)CLAMP(offset_s, G_MININT, G_MAXINT));
    return was_off;
}

bool eg_s3_time_parse(const char *text, gint64 *time_s)
{
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autoptr(GDateTime) time = text != NULL ? g_date_time_new_from_iso8601(text, utc) : NULL;
    if (time != NULL)
        *time_s = g_date_time_to_unix(time);
    return time != NULL;
}
