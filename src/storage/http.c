#include "storage/http.h"

#include <curl/curl.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "storage/http-error.h"
#include "storage/rate-limit.h"

#define USER_AGENT          "egress"
#define CONNECT_TIMEOUT_S   15L
#define STALL_TIMEOUT_S     30L
#define METADATA_TIMEOUT_S  5L
#define METADATA_CONNECT_MS 1000L
#define MAX_REPLY_BYTES     (1024 * 1024)
#define MAX_HEADER_BYTES    (256 * 1024)
#define SEND_BUFFER_BYTES   (256L * 1024)
#define CANCEL_POLL_US      (50 * 1000)

static EgRateLimit rate_limit;

struct _EgHttp {
    EgStorage *storage;
    GMutex lock;
    GPtrArray *idle; /* CURL, each with connections that are still open */
};

/* One request and its reply. */
typedef struct {
    CURL *easy;
    const EgHttpRequest *request;
    const char *body;
    gsize body_bytes;
    gsize n_sent;
    struct curl_slist *headers;
    GCancellable *cancellable;
    GByteArray *received;
    gsize n_header_bytes;
    bool has_head; /* all headers have come */
    bool is_cut;   /* the reply is longer than we want it */
    char detail[CURL_ERROR_SIZE];
} Transfer;

EgHttp *eg_http_new(EgStorage *storage)
{
    static gsize is_ready;
    if (g_once_init_enter(&is_ready)) {
        g_assert(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
        g_once_init_leave(&is_ready, 1);
    }
    EgHttp *http = g_new0(EgHttp, 1);
    http->storage = eg_storage_ref(storage);
    http->idle = g_ptr_array_new_with_free_func(curl_easy_cleanup);
    g_mutex_init(&http->lock);
    return http;
}

void eg_http_free(EgHttp *http)
{
    if (http == NULL)
        return;
    g_ptr_array_unref(http->idle);
    g_mutex_clear(&http->lock);
    eg_storage_unref(http->storage);
    g_free(http);
}

bool eg_http_check_proxy(const EgStorageProxy *proxy, GError **error)
{
    static const char *const schemes[] = {"http",    "https",  "socks4",
                                          "socks4a", "socks5", "socks5h"};
    CURLU *parsed = curl_url();
    char *scheme = NULL;
    bool is_good = proxy->url == NULL;
    if (!is_good &&
        curl_url_set(parsed, CURLUPART_URL, proxy->url,
                     CURLU_DEFAULT_SCHEME | CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK) {
        for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++)
            is_good = is_good || strcmp(scheme, schemes[i]) == 0;
    }
    curl_free(scheme);
    curl_url_cleanup(parsed);
    if (!is_good) {
        /* Not shown: there may be a password in it. */
        eg_error_set(
            error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
            "the url of the proxy is none; it is like http://proxy.example:3128, or https, "
            "socks4, socks4a, socks5, socks5h");
    }
    return is_good;
}

void eg_http_set_rate_limit(guint64 bytes_per_s)
{
    eg_rate_limit_set(&rate_limit, bytes_per_s);
}

void eg_http_reply_clear(EgHttpReply *reply)
{
    g_clear_pointer(&reply->headers, g_hash_table_unref);
    g_clear_pointer(&reply->body, g_bytes_unref);
    reply->status = 0;
}

char *eg_http_escape(const char *text, const char *also)
{
    return g_uri_escape_string(text, also, FALSE);
}

char *eg_http_host(const char *url)
{
    CURLU *parsed = curl_url();
    char *host = NULL;
    char *port = NULL;
    char *header = NULL;
    if (curl_url_set(parsed, CURLUPART_URL, url, CURLU_PATH_AS_IS) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        bool has_port =
            curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT) == CURLUE_OK;
        header = has_port ? g_strconcat(host, ":", port, NULL) : g_strdup(host);
    }
    curl_free(port);
    curl_free(host);
    curl_url_cleanup(parsed);
    return header != NULL ? header : g_strdup("");
}

static bool is_canceled(const Transfer *transfer)
{
    return g_cancellable_is_cancelled(transfer->cancellable);
}

/* False when canceled meanwhile. */
static bool wait_until(const Transfer *transfer, gint64 at_ns)
{
    for (gint64 left_ns; (left_ns = at_ns - eg_now_ns()) > 0;) {
        if (is_canceled(transfer))
            return false;
        g_usleep((gulong)MIN(left_ns / EG_NS_PER_US + 1, CANCEL_POLL_US));
    }
    return !is_canceled(transfer);
}

/* Waiting here holds up this transfer alone: each has a thread and a handle of its own. */
static size_t on_send(char *buffer, size_t size, size_t n, void *user)
{
    Transfer *transfer = user;
    gsize count = MIN(size * n, transfer->body_bytes - transfer->n_sent);
    if (count > 0 && transfer->request->is_bulk) {
        gint64 from_ns;
        count = eg_rate_limit_take(&rate_limit, count, eg_now_ns(), &from_ns);
        if (!wait_until(transfer, from_ns))
            return CURL_READFUNC_ABORT;
    }
    if (count > 0)
        memcpy(buffer, transfer->body + transfer->n_sent, count);
    transfer->n_sent += count;
    return count;
}

/* When a connection that was kept open turns out to be closed, the body is sent once more. */
static int on_seek(void *user, curl_off_t offset, int origin)
{
    Transfer *transfer = user;
    if (origin != SEEK_SET || offset < 0 || (guint64)offset > transfer->body_bytes)
        return CURL_SEEKFUNC_FAIL;
    transfer->n_sent = (gsize)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t on_received(char *data, size_t size, size_t n, void *user)
{
    Transfer *transfer = user;
    gsize room = MAX_REPLY_BYTES - transfer->received->len;
    gsize count = size * n;
    g_byte_array_append(transfer->received, (const guint8 *)data, (guint)MIN(count, room));
    transfer->is_cut = count > room;
    return transfer->is_cut ? CURL_WRITEFUNC_ERROR : count;
}

/* libcurl keeps them, without bounds, and takes half of them for all if the connection ends there.
 */
static size_t on_header(char *data, size_t size, size_t n, void *user)
{
    Transfer *transfer = user;
    gsize count = size * n;
    transfer->n_header_bytes += count;
    if (count >= strlen("HTTP/") && memcmp(data, "HTTP/", strlen("HTTP/")) == 0)
        transfer->has_head = false;
    else if (count > 0 && (data[0] == '\r' || data[0] == '\n'))
        transfer->has_head = true;
    return transfer->n_header_bytes > MAX_HEADER_BYTES ? CURL_WRITEFUNC_ERROR : count;
}

static int on_progress(void *user, curl_off_t total_in, curl_off_t in, curl_off_t total_out,
                       curl_off_t out)
{
    (void)total_in;
    (void)in;
    (void)total_out;
    (void)out;
    return is_canceled(user) ? 1 : 0;
}

static CURL *take_handle(EgHttp *http)
{
    g_mutex_lock(&http->lock);
    guint n = http->idle->len;
    CURL *easy = n > 0 ? g_ptr_array_steal_index(http->idle, n - 1) : NULL;
    g_mutex_unlock(&http->lock);
    if (easy == NULL)
        easy = curl_easy_init();
    if (easy == NULL)
        g_error("out of memory");
    return easy;
}

static void give_handle(EgHttp *http, CURL *easy)
{
    curl_easy_reset(easy); /* its connections stay */
    g_mutex_lock(&http->lock);
    g_ptr_array_add(http->idle, easy);
    g_mutex_unlock(&http->lock);
}

static void set_proxy(const EgHttp *http, const Transfer *transfer)
{
    const EgStorageProxy *proxy = &http->storage->proxy;
    if (transfer->request->is_metadata) {
        curl_easy_setopt(transfer->easy, CURLOPT_PROXY, "");
        return;
    }
    if (proxy->url == NULL)
        return; /* libcurl reads the environment */
    curl_easy_setopt(transfer->easy, CURLOPT_PROXY, proxy->url);
    curl_easy_setopt(transfer->easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(transfer->easy, CURLOPT_PROXYAUTH, CURLAUTH_BASIC);
    if (proxy->username != NULL)
        curl_easy_setopt(transfer->easy, CURLOPT_PROXYUSERNAME, proxy->username);
    if (proxy->password != NULL)
        curl_easy_setopt(transfer->easy, CURLOPT_PROXYPASSWORD, proxy->password);
}

static void set_security(const EgHttp *http, const Transfer *transfer)
{
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    const char *ca_cert_file = http->storage->ca_cert_file;
    if (ca_cert_file == NULL)
        return;
    /* Without the system's folder of certificates, only those in the file are trusted. */
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_CAINFO, ca_cert_file);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, ca_cert_file);
}

static void set_limits(Transfer *transfer)
{
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, STALL_TIMEOUT_S);
    if (transfer->request->is_metadata) {
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, METADATA_CONNECT_MS);
        curl_easy_setopt(easy, CURLOPT_TIMEOUT, METADATA_TIMEOUT_S);
    }
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->detail);
}

static void set_request(Transfer *transfer)
{
    CURL *easy = transfer->easy;
    const EgHttpRequest *request = transfer->request;
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    if (strcmp(request->method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->body == NULL && strcmp(request->method, "PUT") != 0 &&
        strcmp(request->method, "POST") != 0)
        return;
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)transfer->body_bytes);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
    curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, transfer);
}

static void set_reply(Transfer *transfer)
{
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_received);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

/* False for what would be more than one header. */
static bool make_headers(Transfer *transfer, GError **error)
{
    transfer->headers = curl_slist_append(NULL, "Expect:"); /* takes away libcurl's own */
    for (const char *const *header = transfer->request->headers; header != NULL && *header != NULL;
         header++) {
        const char *colon = strchr(*header, ':');
        g_assert(colon != NULL);
        for (const char *c = *header; *c != '\0'; c++) {
            if (!g_ascii_iscntrl(*c) || *c == '\t')
                continue;
            eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                         "the value of the header %.*s has a control character",
                         (int)(colon - *header), *header);
            return false;
        }
        /* One without a value is written with a semicolon for libcurl. */
        bool is_empty = colon[strspn(colon + 1, " ") + 1] == '\0';
        g_autofree char *empty = g_strdup_printf("%.*s;", (int)(colon - *header), *header);
        transfer->headers = curl_slist_append(transfer->headers, is_empty ? empty : *header);
    }
    return true;
}

static void fill_reply(const Transfer *transfer, EgHttpReply *reply)
{
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    reply->status = (guint)status;
    reply->headers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (struct curl_header *header = NULL;
         (header = curl_easy_nextheader(transfer->easy, CURLH_HEADER, -1, header)) != NULL;)
        g_hash_table_replace(reply->headers, g_ascii_strdown(header->name, -1),
                             g_strdup(header->value));
    reply->body = g_bytes_new(transfer->received->data, transfer->received->len);
}

static bool run(Transfer *transfer, EgHttpReply *reply, GError **error)
{
    CURLcode code =
        is_canceled(transfer) ? CURLE_ABORTED_BY_CALLBACK : curl_easy_perform(transfer->easy);
    if (code == CURLE_OK && !transfer->has_head)
        code = CURLE_PARTIAL_FILE;
    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && transfer->is_cut)) {
        fill_reply(transfer, reply);
        return true;
    }
    long connect_status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
    eg_http_set_curl_error(error, code, transfer->request->url, transfer->detail, connect_status);
    return false;
}

bool eg_http_perform(EgHttp *http, const EgHttpRequest *request, EgHttpReply *reply,
                     GCancellable *cancellable, GError **error)
{
    Transfer transfer = {.request = request, .cancellable = cancellable};
    if (request->body != NULL)
        transfer.body = g_bytes_get_data(request->body, &transfer.body_bytes);
    *reply = (EgHttpReply){0};
    bool is_answered = false;
    if (make_headers(&transfer, error)) {
        transfer.easy = take_handle(http);
        transfer.received = g_byte_array_new();
        set_limits(&transfer);
        set_security(http, &transfer);
        set_proxy(http, &transfer);
        set_request(&transfer);
        set_reply(&transfer);
        is_answered = run(&transfer, reply, error);
        give_handle(http, transfer.easy);
        g_byte_array_unref(transfer.received);
    }
    curl_slist_free_all(transfer.headers);
    return is_answered;
}
