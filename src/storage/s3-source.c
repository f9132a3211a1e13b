#include "storage/s3-source.h"

#include <string.h>

#include "base/error.h"
#include "storage/s3-profile.h"

const char *eg_s3_variable(const char *name)
{
    const char *value = g_getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

static bool always(const EgStorageS3 *settings)
{
    (void)settings;
    return true;
}

static bool has_given(const EgStorageS3 *settings)
{
    return settings->access_key != NULL && settings->secret != NULL;
}

static EgS3Key *fetch_given(const EgStorageS3 *settings, const EgS3Sts *sts,
                            GCancellable *cancellable, GError **error)
{
    (void)sts;
    (void)cancellable;
    (void)error;
    return eg_s3_key_new(settings->access_key, settings->secret, settings->session_token, 0);
}

static bool has_environment(const EgStorageS3 *settings)
{
    (void)settings;
    return eg_s3_variable("AWS_ACCESS_KEY_ID") != NULL &&
           eg_s3_variable("AWS_SECRET_ACCESS_KEY") != NULL;
}

EgS3Key *eg_s3_environment_fetch(const EgStorageS3 *settings, const EgS3Sts *sts,
                                 GCancellable *cancellable, GError **error)
{
    (void)sts;
    (void)cancellable;
    if (!has_environment(settings)) {
        eg_error_set(error, EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST,
                     "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set");
        return NULL;
    }
    return eg_s3_key_new(g_getenv("AWS_ACCESS_KEY_ID"), g_getenv("AWS_SECRET_ACCESS_KEY"),
                         g_getenv("AWS_SESSION_TOKEN"), 0);
}

static bool has_web_identity(const EgStorageS3 *settings)
{
    (void)settings;
    return eg_s3_variable("AWS_WEB_IDENTITY_TOKEN_FILE") != NULL;
}

/* The file is read each time: whoever runs this machine renews the token. */
EgS3Key *eg_s3_web_identity_fetch(const EgS3Sts *sts, const char *path, const char *name,
                                  const char *role_arn, GCancellable *cancellable, GError **error)
{
    g_autofree char *token = NULL;
    g_autoptr(GError) reason = NULL;
    if (!g_file_get_contents(path, &token, NULL, &reason)) {
        eg_error_set(error, EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST, "%s: %s", name,
                     reason->message);
        return NULL;
    }
    return eg_s3_sts_assume_role_with_token(sts, g_strstrip(token), role_arn,
                                            eg_s3_variable("AWS_ROLE_SESSION_NAME"), cancellable,
                                            error);
}

static EgS3Key *fetch_web_identity(const EgStorageS3 *settings, const EgS3Sts *sts,
                                   GCancellable *cancellable, GError **error)
{
    static const char name[] = "AWS_WEB_IDENTITY_TOKEN_FILE";
    (void)settings;
    const char *role_arn = eg_s3_variable("AWS_ROLE_ARN");
    if (role_arn != NULL)
        return eg_s3_web_identity_fetch(sts, eg_s3_variable(name), name, role_arn, cancellable,
                                        error);
    eg_error_set(error, EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST,
                 "%s is set, but AWS_ROLE_ARN is not", name);
    return NULL;
}

static const EgS3Source sources[] = {
    {"settings",          has_given,                fetch_given,             true },
    {"environment",       has_environment,          eg_s3_environment_fetch, true },
    {"web identity",      has_web_identity,         fetch_web_identity,      false},
    {"shared files",      eg_s3_profile_is_there,   eg_s3_profile_fetch,     false},
    {"container",         eg_s3_container_is_there, eg_s3_container_fetch,   false},
    {"instance metadata", always,                   eg_s3_instance_fetch,    false},
};

const EgS3Source *eg_s3_source_find(const EgStorageS3 *settings)
{
    gsize i = 0;
    while (!sources[i].is_there(settings))
        i++;
    return &sources[i];
}
