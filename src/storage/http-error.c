#include "storage/http-error.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "storage/http.h"

/* What others say is cut off there. */
#define MAX_TEXT_BYTES 300

#define MAX_RETRY_AFTER_S 3600

typedef struct {
    guint status;
    EgErrorCode code;
} StatusCode;

static const StatusCode status_codes[] = {
    {400, EG_ERROR_INVALID_ARGUMENT   },
    {401, EG_ERROR_UNAUTHENTICATED    },
    {403, EG_ERROR_PERMISSION_DENIED  },
    {404, EG_ERROR_NOT_FOUND          },
    {407, EG_ERROR_UNAUTHENTICATED    },
    {408, EG_ERROR_DEADLINE_EXCEEDED  },
    {409, EG_ERROR_ABORTED            },
    {412, EG_ERROR_FAILED_PRECONDITION},
    {413, EG_ERROR_RESOURCE_EXHAUSTED },
    {429, EG_ERROR_RESOURCE_EXHAUSTED },
    {501, EG_ERROR_UNIMPLEMENTED      },
    {507, EG_ERROR_RESOURCE_EXHAUSTED },
};

static EgErrorCode code_of_status(guint status)
{
    for (gsize i = 0; i < G_N_ELEMENTS(status_codes); i++) {
        if (status_codes[i].status == status)
            return status_codes[i].code;
    }
    return status >= 500 ? EG_ERROR_UNAVAILABLE : EG_ERROR_FAILED_PRECONDITION;
}

bool eg_http_is_retryable(guint status)
{
    return status == 408 || status == 425 || status == 429 ||
           (status >= 500 && status != 501 && status != 505);
}

/* One line of bounded UTF-8. */
static char *clean_text(const char *text)
{
    g_autofree char *cut = g_strndup(text, MAX_TEXT_BYTES);
    char *clean = g_utf8_make_valid(cut, -1);
    for (char *c = clean; *c != '\0'; c++) {
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    }
    return g_strstrip(clean);
}

gint64 eg_http_retry_after_ns(const char *retry_after, const char *date)
{
    guint64 seconds;
    if (retry_after == NULL)
        return 0;
    if (g_ascii_string_to_unsigned(retry_after, 10, 0, G_MAXUINT64, &seconds, NULL))
        return (gint64)MIN(seconds, MAX_RETRY_AFTER_S) * EG_NS_PER_S;

    time_t at = curl_getdate(retry_after, NULL);
    time_t now = date != NULL ? curl_getdate(date, NULL) : -1;
    if (now == -1)
        now = (time_t)(eg_wall_now_ns() / EG_NS_PER_S);
    if (at == -1)
        return 0;
    return (gint64)CLAMP(at - now, 0, MAX_RETRY_AFTER_S) * EG_NS_PER_S;
}

void eg_http_set_error(GError **error, const char *doing, const EgHttpReply *reply,
                       const char *code, const char *message, bool is_retryable)
{
    g_autofree char *said_code = clean_text(code != NULL ? code : "");
    g_autofree char *said_message = clean_text(message != NULL ? message : "");
    GString *text = g_string_new(NULL);
    g_string_printf(text, "cannot %s: HTTP status %u", doing, reply->status);
    if (reply->status == 407)
        g_string_append(text, " (the proxy wants another user or password)");
    if (*said_code != '\0')
        g_string_append_printf(text, ", %s", said_code);
    if (*said_message != '\0')
        g_string_append_printf(text, ": %s", said_message);

    GError *made = NULL;
    /* A success that turns out to be none is the store's own trouble. */
    EgErrorCode error_code =
        is_retryable && reply->status < 400 ? EG_ERROR_UNAVAILABLE : code_of_status(reply->status);
    if (is_retryable)
        eg_error_set_retryable(&made, error_code, EG_BLAME_DESTINATION, "%s", text->str);
    else
        eg_error_set(&made, error_code, EG_BLAME_DESTINATION, "%s", text->str);
    eg_error_set_retry_after(
        made, eg_http_retry_after_ns(g_hash_table_lookup(reply->headers, "retry-after"),
                                     g_hash_table_lookup(reply->headers, "date")));
    g_string_free(text, TRUE);
    g_propagate_error(error, made);
}

typedef struct {
    CURLcode curl;
    EgErrorCode code;
    EgBlame blame;
    bool is_retryable;
    const char *what;
} CurlError;

/* What is not here is a mistake of ours. */
static const CurlError curl_errors[] = {
    {CURLE_COULDNT_RESOLVE_PROXY,    EG_ERROR_UNAVAILABLE,         EG_BLAME_DESTINATION, true,
     "the proxy's name cannot be resolved"                                                                                  },
    {CURLE_COULDNT_RESOLVE_HOST,     EG_ERROR_UNAVAILABLE,         EG_BLAME_DESTINATION, true,
     "its name cannot be resolved"                                                                                          },
    {CURLE_COULDNT_CONNECT,          EG_ERROR_UNAVAILABLE,         EG_BLAME_DESTINATION, true,  "no connection"             },
    {CURLE_PROXY,                    EG_ERROR_UNAVAILABLE,         EG_BLAME_DESTINATION, true,  "the proxy does not connect"},
    {CURLE_SSL_CONNECT_ERROR,        EG_ERROR_UNAVAILABLE,         EG_BLAME_DESTINATION, true,
     "no TLS connection"                                                                                                    },
    {CURLE_OPERATION_TIMEDOUT,       EG_ERROR_DEADLINE_EXCEEDED,   EG_BLAME_DESTINATION, true,
     "nothing moves"                                                                                                        },
    {CURLE_GOT_NOTHING,              EG_ERROR_UNAVAILABLE,         EG_BLAME_DESTINATION, true,  "no answer"                 },
    {CURLE_SEND_ERROR,               EG_ERROR_UNAVAILABLE,         EG_BLAME_DESTINATION, true,  "the connection was lost"   },
    {CURLE_RECV_ERROR,               EG_ERROR_UNAVAILABLE,         EG_BLAME_DESTINATION, true,  "the connection was lost"   },
    {CURLE_PARTIAL_FILE,             EG_ERROR_UNAVAILABLE,         EG_BLAME_DESTINATION, true,
     "the answer was cut off"                                                                                               },
    {CURLE_WEIRD_SERVER_REPLY,       EG_ERROR_UNAVAILABLE,         EG_BLAME_DESTINATION, true,
     "the answer is not HTTP"                                                                                               },
    {CURLE_UNSUPPORTED_PROTOCOL,     EG_ERROR_UNAVAILABLE,         EG_BLAME_DESTINATION, true,
     "the answer is not HTTP"                                                                                               },
    {CURLE_WRITE_ERROR,              EG_ERROR_UNAVAILABLE,         EG_BLAME_DESTINATION, true,  "the answer is too long"    },
    {CURLE_PEER_FAILED_VERIFICATION, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_DESTINATION, false,
     "its certificate is not trusted"                                                                                       },
    {CURLE_SSL_CACERT_BADFILE,       EG_ERROR_INVALID_ARGUMENT,    EG_BLAME_REQUEST,     false,
     "ca_cert_file cannot be used"                                                                                          },
    {CURLE_URL_MALFORMAT,            EG_ERROR_INVALID_ARGUMENT,    EG_BLAME_REQUEST,     false, "this is no URL"            },
    {CURLE_ABORTED_BY_CALLBACK,      EG_ERROR_CANCELED,            EG_BLAME_DESTINATION, false, "canceled"                  },
};

/* A proxy that refuses to connect, by its status, which libcurl counts as a lost connection. */
static CurlError proxy_refusal(CURLcode code, long status)
{
    if (status == 407) {
        return (CurlError){code, EG_ERROR_UNAUTHENTICATED, EG_BLAME_DESTINATION, false,
                           "the proxy wants another user or password"};
    }
    return (CurlError){code, code_of_status((guint)status), EG_BLAME_DESTINATION,
                       eg_http_is_retryable((guint)status), "the proxy does not connect"};
}

static CurlError find_curl_error(CURLcode code, long connect_status)
{
    if (connect_status >= 300 && code != CURLE_ABORTED_BY_CALLBACK)
        return proxy_refusal(code, connect_status);
    for (gsize i = 0; i < G_N_ELEMENTS(curl_errors); i++) {
        if (curl_errors[i].curl == code)
            return curl_errors[i];
    }
    return (CurlError){code, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, false, "libcurl has failed"};
}

void eg_http_set_curl_error(GError **error, CURLcode code, const char *url, const char *detail,
                            long connect_status)
{
    if (code == CURLE_OUT_OF_MEMORY)
        g_error("out of memory");
    CurlError found = find_curl_error(code, connect_status);
    g_autofree char *host = eg_http_host(url);
    /* libcurl shows the whole URL of a proxy that it does not like, with the password. */
    bool is_shown = *detail != '\0' && strchr(detail, '@') == NULL;
    g_autofree char *said = clean_text(is_shown ? detail : curl_easy_strerror(code));
    if (found.is_retryable)
        eg_error_set_retryable(error, found.code, found.blame, "%s: %s (%s)", host, found.what,
                               said);
    else
        eg_error_set(error, found.code, found.blame, "%s: %s (%s)", host, found.what, said);
}
