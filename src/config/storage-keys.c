/* The keys of a store, as they stand below `storage:` and `backup:`. */
#include <stddef.h>

#include "config/keys.h"

#define AT(type, member)                                                                           \
    (offsetof(EgStorage, member) + 0 * sizeof((type *)NULL == &((EgStorage *)NULL)->member))

#define ROW(key_path, key_kind, type, member, ...)                                                 \
    {                                                                                              \
        .path = (key_path), .kind = (key_kind), .offset = AT(type, member), __VA_ARGS__            \
    }
#define TEXT(path, member)         ROW(path, EG_KEY_TEXT, char *, member, )
#define TEXT_OF_OURS(path, member) ROW(path, EG_KEY_TEXT, char *, member, .is_ours = true)
#define SWITCH(path, member)       ROW(path, EG_KEY_SWITCH, bool, member, .standard = "false")
#define DELAY(path, member, normal, ours)                                                          \
    ROW(path, EG_KEY_DURATION, gint64, member, .standard = (normal), .min = 0.001, .max = 3600,    \
        .zero_is_standard = true, .is_ours = (ours))

/* What all kinds have that are not of this machine. LiveKit has the proxy and the retries of some
 * only. */
#define COMMON(kind, is_proxy_ours, are_retries_ours)                                              \
    ROW(kind ".proxy_config.url", EG_KEY_TEXT, char *, proxy.url, .is_ours = (is_proxy_ours)),     \
        ROW(kind ".proxy_config.username", EG_KEY_TEXT, char *, proxy.username,                    \
            .is_ours = (is_proxy_ours)),                                                           \
        ROW(kind ".proxy_config.password", EG_KEY_TEXT, char *, proxy.password,                    \
            .is_ours = (is_proxy_ours)),                                                           \
        ROW(kind ".max_retries", EG_KEY_NUMBER, guint, max_attempts, .standard = "5", .min = 1,    \
            .max = 1000, .zero_is_standard = true, .is_ours = (are_retries_ours)),                 \
        DELAY(kind ".min_retry_delay", min_retry_delay_ns, "100ms", are_retries_ours),             \
        DELAY(kind ".max_retry_delay", max_retry_delay_ns, "5s", are_retries_ours),                \
        ROW(kind ".ca_cert_file", EG_KEY_PATH, char *, ca_cert_file, .is_ours = true)

static const EgConfigKey keys[] = {
    TEXT("prefix", prefix),
    SWITCH("generate_presigned_url", generate_presigned_url),

    TEXT("s3.access_key", s3.access_key),
    TEXT("s3.secret", s3.secret),
    TEXT("s3.session_token", s3.session_token),
    TEXT("s3.assume_role_arn", s3.assume_role_arn),
    TEXT("s3.assume_role_external_id", s3.assume_role_external_id),
    TEXT("s3.region", s3.region),
    TEXT("s3.endpoint", endpoint),
    TEXT("s3.bucket", bucket),
    SWITCH("s3.force_path_style", s3.force_path_style),
    ROW("s3.metadata", EG_KEY_PAIRS, char **, s3.metadata, ),
    TEXT("s3.tagging", s3.tagging),
    TEXT("s3.content_disposition", s3.content_disposition),
    TEXT_OF_OURS("s3.server_side_encryption", s3.server_side_encryption),
    TEXT_OF_OURS("s3.kms_key_id", s3.kms_key_id),
    TEXT_OF_OURS("s3.storage_class", s3.storage_class),
    COMMON("s3", false, false),

    TEXT("gcp.credentials_json", gcs.credentials_json),
    TEXT("gcp.bucket", bucket),
    TEXT_OF_OURS("gcp.endpoint", endpoint),
    COMMON("gcp", false, true),

    TEXT("azure.account_name", azure.account_name),
    TEXT("azure.account_key", azure.account_key),
    TEXT_OF_OURS("azure.sas_token", azure.sas_token),
    TEXT("azure.container_name", bucket),
    TEXT_OF_OURS("azure.endpoint", endpoint),
    COMMON("azure", true, true),

    TEXT("alioss.access_key", alioss.access_key),
    TEXT("alioss.secret", alioss.secret),
    TEXT("alioss.endpoint", endpoint),
    TEXT("alioss.bucket", bucket),
    COMMON("alioss", true, true),
};

const EgConfigTable *eg_storage_keys(void)
{
    static const EgConfigTable table = {keys, G_N_ELEMENTS(keys)};
    return &table;
}
