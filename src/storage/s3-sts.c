#include "storage/s3-sts.h"

#include <string.h>

#include "base/error.h"
#include "storage/s3-sign.h"
#include "storage/s3-source.h"
#include "storage/xml.h"

#define SESSION_NAME "egress"

static char *make_url(const EgS3Sts *sts)
{
    static const char *const variables[] = {"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"};
    for (gsize i = 0; i < G_N_ELEMENTS(variables); i++) {
        const char *url = eg_s3_variable(variables[i]);
        if (url != NULL)
            return g_strdup(url);
    }
    const char *more = g_str_has_prefix(sts->region, "cn-") ? ".cn" : "";
    return g_strdup_printf("https://sts.%s.amazonaws.com%s/", sts->region, more);
}

/* A form of name, value, name, value …; NULL values are left out. */
static GBytes *make_form(const char *const *fields, gsize n_fields)
{
    GString *form = g_string_new("Version=2011-06-15");
    for (gsize i = 0; i + 1 < n_fields; i += 2) {
        if (fields[i + 1] == NULL)
            continue;
        g_autofree char *value = eg_http_escape(fields[i + 1], NULL);
        g_string_append_printf(form, "&%s=%s", fields[i], value);
    }
    return g_string_free_to_bytes(form);
}

/* "Credentials/NAME" of the answer to `action`. */
static char *find_field(const EgHttpReply *reply, const char *action, const char *name)
{
    g_autofree char *path =
        g_strdup_printf("%sResponse/%sResult/Credentials/%s", action, action, name);
    return eg_xml_find(reply->body, path);
}

static EgS3Key *read_key(const EgHttpReply *reply, const char *action, GError **error)
{
    g_autofree char *access_key = find_field(reply, action, "AccessKeyId");
    g_autofree char *secret = find_field(reply, action, "SecretAccessKey");
    g_autofree char *session_token = find_field(reply, action, "SessionToken");
    g_autofree char *expiration = find_field(reply, action, "Expiration");
    gint64 expires_s;
    if (access_key != NULL && secret != NULL && session_token != NULL &&
        eg_s3_time_parse(expiration, &expires_s))
        return eg_s3_key_new(access_key, secret, session_token, expires_s);
    eg_error_set_retryable(error, EG_ERROR_UNAVAILABLE, EG_BLAME_DESTINATION,
                           "cannot assume the role: there is no key in the answer");
    return NULL;
}

/* A date that is refused is corrected. */
static void set_refusal(const EgS3Sts *sts, const EgHttpReply *reply, GError **error)
{
    g_autofree char *code = eg_xml_find(reply->body, "ErrorResponse/Error/Code");
    g_autofree char *message = eg_xml_find(reply->body, "ErrorResponse/Error/Message");
    bool is_retryable =
        eg_http_is_retryable(reply->status) || g_strcmp0(code, "Throttling") == 0 ||
        (reply->status >= 400 &&
         eg_s3_clock_correct(sts->clock, g_hash_table_lookup(reply->headers, "date")));
    eg_http_set_error(error, "assume the role", reply, code, message, is_retryable);
}

/* `key` NULL: not signed. */
static EgS3Key *ask(const EgS3Sts *sts, const EgS3Key *key, const char *action, GBytes *form,
                    GCancellable *cancellable, GError **error)
{
    g_autofree char *url = make_url(sts);
    g_autoptr(GPtrArray) headers = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(headers, g_strdup("Content-Type: application/x-www-form-urlencoded"));
    if (key != NULL) {
        EgS3Scope scope = {
            .key = key,
            .service = "sts",
            .region = sts->region,
            .now_s = eg_s3_clock_now_s(sts->clock),
        };
        eg_s3_sign(&scope, "POST", url, form, headers);
    }
    g_ptr_array_add(headers, NULL);
    EgHttpRequest request = {
        .method = "POST",
        .url = url,
        .headers = (const char *const *)headers->pdata,
        .body = form,
    };
    g_auto(EgHttpReply) reply = {0};
    if (!eg_http_perform(sts->http, &request, &reply, cancellable, error)) {
        g_prefix_error(error, "cannot assume the role: ");
        return NULL;
    }
    if (reply.status == 200)
        return read_key(&reply, action, error);
    set_refusal(sts, &reply, error);
    return NULL;
}

EgS3Key *eg_s3_sts_assume_role(const EgS3Sts *sts, const EgS3Key *key, const char *role_arn,
                               const char *external_id, GCancellable *cancellable, GError **error)
{
    const char *const fields[] = {
        "Action",     "AssumeRole", "RoleArn",         role_arn,
        "ExternalId", external_id,  "RoleSessionName", SESSION_NAME,
    };
    g_autoptr(GBytes) form = make_form(fields, G_N_ELEMENTS(fields));
    return ask(sts, key, "AssumeRole", form, cancellable, error);
}

EgS3Key *eg_s3_sts_assume_role_with_token(const EgS3Sts *sts, const char *token,
                                          const char *role_arn, const char *session_name,
                                          GCancellable *cancellable, GError **error)
{
    const char *const fields[] = {
        "Action",           "AssumeRoleWithWebIdentity",
        "RoleArn",          role_arn,
        "WebIdentityToken", token,
        "RoleSessionName",  session_name != NULL ? session_name : SESSION_NAME,
    };
    g_autoptr(GBytes) form = make_form(fields, G_N_ELEMENTS(fields));
    return ask(sts, NULL, "AssumeRoleWithWebIdentity", form, cancellable, error);
}
