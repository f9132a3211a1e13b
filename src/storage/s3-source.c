#include "storage/s3-source.h"

#include <string.h>

#include "base/error.h"

#define DEFAULT_PROFILE "default"

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

static EgS3Key *fetch_environment(const EgStorageS3 *settings, const EgS3Sts *sts,
                                  GCancellable *cancellable, GError **error)
{
    (void)settings;
    (void)sts;
    (void)cancellable;
    (void)error;
    return eg_s3_key_new(g_getenv("AWS_ACCESS_KEY_ID"), g_getenv("AWS_SECRET_ACCESS_KEY"),
                         g_getenv("AWS_SESSION_TOKEN"), 0);
}

static bool has_web_identity(const EgStorageS3 *settings)
{
    (void)settings;
    return eg_s3_variable("AWS_WEB_IDENTITY_TOKEN_FILE") != NULL;
}

/* The file is read each time: whoever runs this machine renews the token. */
static EgS3Key *fetch_web_identity(const EgStorageS3 *settings, const EgS3Sts *sts,
                                   GCancellable *cancellable, GError **error)
{
    (void)settings;
    g_autofree char *token = NULL;
    g_autoptr(GError) reason = NULL;
    const char *role_arn = eg_s3_variable("AWS_ROLE_ARN");
    if (role_arn == NULL) {
        eg_error_set(error, EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST,
                     "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
        return NULL;
    }
    if (!g_file_get_contents(eg_s3_variable("AWS_WEB_IDENTITY_TOKEN_FILE"), &token, NULL,
                             &reason)) {
        eg_error_set(error, EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST,
                     "AWS_WEB_IDENTITY_TOKEN_FILE: %s", reason->message);
        return NULL;
    }
    return eg_s3_sts_assume_role_with_token(sts, g_strstrip(token), role_arn,
                                            eg_s3_variable("AWS_ROLE_SESSION_NAME"), cancellable,
                                            error);
}

static char *shared_file_path(void)
{
    const char *path = eg_s3_variable("AWS_SHARED_CREDENTIALS_FILE");
    return path != NULL ? g_strdup(path)
                        : g_build_filename(g_get_home_dir(), ".aws", "credentials", NULL);
}

/* AWS's files are like GLib's, but for comments, and lines that belong to the one above. */
static GKeyFile *read_shared_file(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GKeyFile) file = g_key_file_new();
    if (!g_file_get_contents(path, &text, NULL, error))
        return NULL;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        if (strchr("; \t", **line) != NULL)
            **line = '\0';
        g_strchomp(*line);
    }
    g_autofree char *clean = g_strjoinv("\n", lines);
    return g_key_file_load_from_data(file, clean, strlen(clean), G_KEY_FILE_NONE, error)
               ? g_steal_pointer(&file)
               : NULL;
}

/* What nobody has asked for, and has no key in it, is not there. */
static bool has_shared_file(const EgStorageS3 *settings)
{
    (void)settings;
    if (eg_s3_variable("AWS_SHARED_CREDENTIALS_FILE") != NULL ||
        eg_s3_variable("AWS_PROFILE") != NULL)
        return true;
    g_autofree char *path = shared_file_path();
    g_autoptr(GKeyFile) file = read_shared_file(path, NULL);
    return file != NULL && g_key_file_has_key(file, DEFAULT_PROFILE, "aws_access_key_id", NULL);
}

static EgS3Key *fetch_shared_file(const EgStorageS3 *settings, const EgS3Sts *sts,
                                  GCancellable *cancellable, GError **error)
{
    (void)settings;
    (void)sts;
    (void)cancellable;
    g_autofree char *path = shared_file_path();
    g_autoptr(GError) reason = NULL;
    g_autoptr(GKeyFile) file = read_shared_file(path, &reason);
    const char *profile = eg_s3_variable("AWS_PROFILE");
    if (profile == NULL)
        profile = DEFAULT_PROFILE;
    if (file == NULL) {
        eg_error_set(error, EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST,
                     "cannot read credentials from %s: %s", path, reason->message);
        return NULL;
    }
    g_autofree char *access_key = g_key_file_get_value(file, profile, "aws_access_key_id", NULL);
    g_autofree char *secret = g_key_file_get_value(file, profile, "aws_secret_access_key", NULL);
    g_autofree char *token = g_key_file_get_value(file, profile, "aws_session_token", NULL);
    if (access_key != NULL && secret != NULL)
        return eg_s3_key_new(access_key, secret, token, 0);
    eg_error_set(error, EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST,
                 "%s has no aws_access_key_id and aws_secret_access_key for the profile '%s'", path,
                 profile);
    return NULL;
}

static const EgS3Source sources[] = {
    {"settings",          has_given,                fetch_given,           true },
    {"environment",       has_environment,          fetch_environment,     true },
    {"web identity",      has_web_identity,         fetch_web_identity,    false},
    {"shared file",       has_shared_file,          fetch_shared_file,     false},
    {"container",         eg_s3_container_is_there, eg_s3_container_fetch, false},
    {"instance metadata", always,                   eg_s3_instance_fetch,  false},
};

const EgS3Source *eg_s3_source_find(const EgStorageS3 *settings)
{
    gsize i = 0;
    while (!sources[i].is_there(settings))
        i++;
    return &sources[i];
}
