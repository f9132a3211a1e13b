#include "storage/s3-client.h"

#include <string.h>

#include "base/error.h"
#include "storage/s3-address.h"
#include "storage/s3-credentials.h"
#include "storage/s3-profile.h"
#include "storage/s3-sign.h"
#include "storage/s3-source.h"
#include "storage/xml.h"

#define DEFAULT_REGION "us-east-1"

/* What AWS calls the region of buckets that are older than its names. */
#define OLD_EUROPE "EU"

struct _EgS3Client {
    EgHttp *http;
    EgS3Address address;
    EgS3Clock clock;
    EgS3Credentials *credentials;
    const EgLog *log;
    GMutex lock;
    char *region; /* NULL: not known yet */
};

/* What a request was signed with. */
typedef struct {
    EgS3Key *key;
    char *region;
} Signer;

static void clear_signer(Signer *signer)
{
    eg_s3_key_unref(signer->key);
    g_free(signer->region);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Signer, clear_signer)

typedef struct {
    const char *code;
    bool (*mend)(EgS3Client *client, const Signer *signer, const EgHttpReply *reply); /* or NULL */
} Refusal;

/* The region of the bucket, as the settings say it: a new string. NULL: AWS has to be asked. */
static char *find_region(const EgStorage *storage)
{
    const char *const said[] = {storage->s3.region, eg_s3_variable("AWS_REGION"),
                                eg_s3_variable("AWS_DEFAULT_REGION")};
    for (gsize i = 0; i < G_N_ELEMENTS(said); i++) {
        if (said[i] != NULL && *said[i] != '\0')
            return g_strdup(said[i]);
    }
    char *region = eg_s3_profile_region();
    if (region == NULL && eg_s3_endpoint(storage) != NULL)
        region = g_strdup(DEFAULT_REGION);
    return region;
}

/* Whoever is only not there for a moment may be back when there is something to upload. */
static bool try_credentials(const EgS3Client *client, GError **error)
{
    GError *reason = NULL;
    g_autoptr(EgS3Key) key = eg_s3_credentials_get(client->credentials, NULL, &reason);
    if (key != NULL)
        return true;
    if (!eg_error_is_retryable(reason)) {
        g_propagate_error(error, reason);
        return false;
    }
    eg_warn(client->log, "no credentials yet", EG_STR("error", reason->message));
    g_error_free(reason);
    return true;
}

EgS3Client *eg_s3_client_new(EgStorage *storage, const EgLog *log, GError **error)
{
    g_autoptr(EgS3Client) client = g_new0(EgS3Client, 1);
    g_autofree char *region = find_region(storage);
    g_mutex_init(&client->lock);
    client->log = log;
    client->http = eg_http_new(storage);
    client->region = g_strdup(region);
    client->credentials = eg_s3_credentials_new(storage, client->http, &client->clock,
                                                region != NULL ? region : DEFAULT_REGION, log);
    if (region != NULL && !eg_s3_is_region(region)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "the region of s3 is none; it is like us-east-1: letters, digits, dashes");
        return NULL;
    }
    if (!eg_s3_address_init(&client->address, storage, error) || !try_credentials(client, error))
        return NULL;
    return g_steal_pointer(&client);
}

void eg_s3_client_free(EgS3Client *client)
{
    if (client == NULL)
        return;
    eg_s3_credentials_free(client->credentials);
    eg_s3_address_clear(&client->address);
    eg_http_free(client->http);
    g_mutex_clear(&client->lock);
    g_free(client->region);
    g_free(client);
}

static char *current_region(EgS3Client *client)
{
    g_mutex_lock(&client->lock);
    char *region = g_strdup(client->region);
    g_mutex_unlock(&client->lock);
    return region;
}

static void set_region(EgS3Client *client, const char *region)
{
    g_mutex_lock(&client->lock);
    g_free(client->region);
    client->region = g_strdup(region);
    g_mutex_unlock(&client->lock);
    eg_debug(client->log, "bucket's region found", EG_STR("region", region));
}

/* The store dates by its own clock, which counts. */
static bool mend_clock(EgS3Client *client, const Signer *signer, const EgHttpReply *reply)
{
    (void)signer;
    if (eg_s3_clock_correct(&client->clock, g_hash_table_lookup(reply->headers, "date")))
        eg_warn(client->log, "clock differs from the store's");
    return true;
}

static bool mend_key(EgS3Client *client, const Signer *signer, const EgHttpReply *reply)
{
    (void)reply;
    return eg_s3_credentials_reject(client->credentials, signer->key);
}

/* What is over after a while, whatever its status. */
static const Refusal refusals[] = {
    {"RequestTimeTooSkewed",      mend_clock},
    {"RequestExpired",            mend_clock},
    {"ExpiredToken",              mend_key  },
    {"ExpiredTokenException",     mend_key  },
    {"TokenRefreshRequired",      mend_key  },
    {"SlowDown",                  NULL      },
    {"InternalError",             NULL      },
    {"ServiceUnavailable",        NULL      },
    {"RequestTimeout",            NULL      },
    {"Throttling",                NULL      },
    {"ThrottlingException",       NULL      },
    {"RequestLimitExceeded",      NULL      },
    {"OperationAborted",          NULL      },
    {"BadDigest",                 NULL      },
    {"IncompleteBody",            NULL      },
    {"XAmzContentSHA256Mismatch", NULL      },
};

/* The store says which region it would have liked. */
static bool mend_region(EgS3Client *client, const Signer *signer, const EgHttpReply *reply)
{
    const char *header = g_hash_table_lookup(reply->headers, "x-amz-bucket-region");
    g_autofree char *region =
        header != NULL ? g_strdup(header) : eg_xml_find(reply->body, "Error/Region");
    if (region == NULL || !eg_s3_is_region(region) || strcmp(region, signer->region) == 0)
        return false;
    set_region(client, region);
    return true;
}

static bool may_mend_region(guint status)
{
    return status == 301 || status == 307 || status == 400 || status == 403;
}

static bool is_retryable(EgS3Client *client, const Signer *signer, const EgHttpReply *reply,
                         const char *code)
{
    if (may_mend_region(reply->status) && mend_region(client, signer, reply))
        return true;
    for (gsize i = 0; code != NULL && i < G_N_ELEMENTS(refusals); i++) {
        const Refusal *refusal = &refusals[i];
        if (strcmp(refusal->code, code) == 0)
            return refusal->mend == NULL || refusal->mend(client, signer, reply);
    }
    return eg_http_is_retryable(reply->status) || reply->status == 409;
}

static void set_refusal(EgS3Client *client, const char *doing, const Signer *signer,
                        const EgHttpReply *reply, GError **error)
{
    g_autofree char *code = eg_xml_find(reply->body, "Error/Code");
    g_autofree char *message = eg_xml_find(reply->body, "Error/Message");
    eg_http_set_error(error, doing, reply, code, message,
                      is_retryable(client, signer, reply, code));
}

/* One request with a signature. True if there was an answer. */
static bool send(EgS3Client *client, const Signer *signer, const EgS3Call *call, const char *url,
                 EgHttpReply *reply, GCancellable *cancellable, GError **error)
{
    EgS3Scope scope = {
        .key = signer->key,
        .service = "s3",
        .region = signer->region,
        .now_s = eg_s3_clock_now_s(&client->clock),
    };
    g_autoptr(GPtrArray) headers = g_ptr_array_new_with_free_func(g_free);
    for (const char *const *header = call->headers; header != NULL && *header != NULL; header++)
        g_ptr_array_add(headers, g_strdup(*header));
    eg_s3_sign(&scope, call->method, url, call->body, headers);
    g_ptr_array_add(headers, NULL);
    EgHttpRequest request = {
        .method = call->method,
        .url = url,
        .headers = (const char *const *)headers->pdata,
        .body = call->body,
        .is_bulk = call->is_bulk,
    };
    if (eg_http_perform(client->http, &request, reply, cancellable, error))
        return true;
    g_prefix_error(error, "cannot %s: ", call->doing);
    return false;
}

/* Asks AWS. Who may not ask goes on with the standard, and is told another one by the store. */
static bool ask_region(EgS3Client *client, Signer *signer, GCancellable *cancellable,
                       GError **error)
{
    g_autofree char *url = eg_s3_address_region_url(&client->address);
    EgS3Call call = {.doing = "find the region of the bucket", .method = "GET"};
    g_auto(EgHttpReply) reply = {0};
    signer->region = g_strdup(DEFAULT_REGION);
    if (!send(client, signer, &call, url, &reply, cancellable, error))
        return false;
    g_autofree char *found =
        reply.status == 200 ? eg_xml_find(reply.body, "LocationConstraint") : NULL;
    if (reply.status != 200 && reply.status != 403) {
        set_refusal(client, call.doing, signer, &reply, error);
        return false;
    }
    const char *region = found != NULL && *found != '\0' ? found : DEFAULT_REGION;
    if (strcmp(region, OLD_EUROPE) == 0)
        region = "eu-west-1";
    set_region(client, eg_s3_is_region(region) ? region : DEFAULT_REGION);
    return true;
}

static bool make_signer(EgS3Client *client, Signer *signer, GCancellable *cancellable,
                        GError **error)
{
    signer->key = eg_s3_credentials_get(client->credentials, cancellable, error);
    if (signer->key == NULL)
        return false;
    signer->region = current_region(client);
    if (signer->region != NULL)
        return true;
    if (!ask_region(client, signer, cancellable, error))
        return false;
    g_free(signer->region);
    signer->region = current_region(client);
    return true;
}

bool eg_s3_client_call(EgS3Client *client, const EgS3Call *call, EgHttpReply *reply,
                       GCancellable *cancellable, GError **error)
{
    g_auto(Signer) signer = {0};
    *reply = (EgHttpReply){0};
    if (!make_signer(client, &signer, cancellable, error))
        return false;
    g_autofree char *url =
        eg_s3_address_url(&client->address, signer.region, call->key, call->query);
    if (!send(client, &signer, call, url, reply, cancellable, error))
        return false;
    g_autofree char *late = call->is_told_late ? eg_xml_find(reply->body, "Error") : NULL;
    if (reply->status / 100 == 2 && late == NULL)
        return true;
    set_refusal(client, call->doing, &signer, reply, error);
    return false;
}

char *eg_s3_client_location(EgS3Client *client, const char *key)
{
    return eg_s3_address_location(&client->address, key);
}

char *eg_s3_client_presign(EgS3Client *client, const char *key, guint valid_s, GError **error)
{
    g_auto(Signer) signer = {0};
    if (!make_signer(client, &signer, NULL, error))
        return NULL;
    g_autofree char *url = eg_s3_address_url(&client->address, signer.region, key, NULL);
    EgS3Scope scope = {
        .key = signer.key,
        .service = "s3",
        .region = signer.region,
        .now_s = eg_s3_clock_now_s(&client->clock),
    };
    return eg_s3_presign(&scope, url, valid_s);
}
