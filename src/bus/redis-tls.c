#include "bus/redis-tls.h"

#include "base/error.h"

#define DEFAULT_PORT 6379

struct _EgRedisTls {
    GTlsDatabase *authorities;    /* NULL: the system's */
    GTlsCertificate *certificate; /* ours; NULL: none */
    char *server_name;            /* NULL: the host of the address */
    bool is_insecure;
    GTlsCertificateFlags refused; /* what was wrong with the last certificate that was refused */
};

static char *make_absolute(const char *path)
{
    return g_canonicalize_filename(path, NULL);
}

static bool load_authorities(EgRedisTls *tls, const char *path, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autofree char *absolute = make_absolute(path);
    GList *certificates = g_tls_certificate_list_new_from_file(absolute, &cause);
    const bool is_empty = certificates == NULL;
    g_list_free_full(certificates, g_object_unref);
    if (!is_empty)
        tls->authorities = g_tls_file_database_new(absolute, &cause);
    if (tls->authorities != NULL)
        return true;
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                 "cannot use redis.tls.ca_cert_file %s: %s", path,
                 cause != NULL ? cause->message : "there is no certificate in it");
    return false;
}

static bool load_certificate(EgRedisTls *tls, const EgTlsConfig *config, GError **error)
{
    g_autoptr(GError) cause = NULL;
    const char *key_file =
        config->client_key_file != NULL ? config->client_key_file : config->client_cert_file;
    tls->certificate = g_tls_certificate_new_from_files(config->client_cert_file, key_file, &cause);
    if (tls->certificate != NULL)
        return true;
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                 "cannot use redis.tls.client_cert_file %s with client_key_file %s: %s",
                 config->client_cert_file, key_file, cause->message);
    return false;
}

EgRedisTls *eg_redis_tls_new(const EgTlsConfig *config, GError **error)
{
    if (!g_tls_backend_supports_tls(g_tls_backend_get_default())) {
        eg_error_set(error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_SERVICE,
                     "no TLS on this machine: the package glib-networking is missing");
        return NULL;
    }
    g_autoptr(EgRedisTls) tls = g_rc_box_new0(EgRedisTls);
    tls->is_insecure = config->is_insecure;
    tls->server_name = g_strdup(config->server_name);
    if (config->ca_cert_file != NULL && !load_authorities(tls, config->ca_cert_file, error))
        return NULL;
    if (config->client_cert_file == NULL && config->client_key_file != NULL) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                     "redis.tls.client_key_file is set without client_cert_file");
        return NULL;
    }
    if (config->client_cert_file != NULL && !load_certificate(tls, config, error))
        return NULL;
    return g_steal_pointer(&tls);
}

EgRedisTls *eg_redis_tls_ref(EgRedisTls *tls)
{
    return g_rc_box_acquire(tls);
}

static void clear(gpointer data)
{
    EgRedisTls *tls = data;
    g_clear_object(&tls->authorities);
    g_clear_object(&tls->certificate);
    g_free(tls->server_name);
}

void eg_redis_tls_unref(EgRedisTls *tls)
{
    if (tls != NULL)
        g_rc_box_release_full(tls, clear);
}

static void unref_closure(gpointer data, GClosure *closure)
{
    (void)closure;
    eg_redis_tls_unref(data);
}

static gboolean on_accept_certificate(GTlsConnection *connection, GTlsCertificate *certificate,
                                      GTlsCertificateFlags flags, gpointer user)
{
    (void)connection;
    (void)certificate;
    EgRedisTls *tls = user;
    if (tls->is_insecure)
        return TRUE;
    tls->refused = flags;
    return FALSE;
}

/* The only moment at which the TLS connection is there and has not begun. */
static void on_event(GSocketClient *client, GSocketClientEvent event,
                     GSocketConnectable *connectable, GIOStream *stream, gpointer user)
{
    (void)client;
    (void)connectable;
    EgRedisTls *tls = user;
    if (event != G_SOCKET_CLIENT_TLS_HANDSHAKING)
        return;
    GTlsConnection *connection = G_TLS_CONNECTION(stream);
    if (tls->authorities != NULL)
        g_tls_connection_set_database(connection, tls->authorities);
    if (tls->certificate != NULL)
        g_tls_connection_set_certificate(connection, tls->certificate);
    if (tls->server_name != NULL) {
        g_autoptr(GSocketConnectable) identity =
            g_network_address_new(tls->server_name, DEFAULT_PORT);
        g_tls_client_connection_set_server_identity(G_TLS_CLIENT_CONNECTION(stream), identity);
    }
    g_signal_connect_data(connection, "accept-certificate", G_CALLBACK(on_accept_certificate),
                          eg_redis_tls_ref(tls), unref_closure, 0);
}

void eg_redis_tls_apply(EgRedisTls *tls, GSocketClient *client)
{
    g_socket_client_set_tls(client, TRUE);
    g_signal_connect_data(client, "event", G_CALLBACK(on_event), eg_redis_tls_ref(tls),
                          unref_closure, 0);
}

char *eg_redis_tls_describe(const EgRedisTls *tls, const GError *cause)
{
    if (g_error_matches(cause, G_TLS_ERROR, G_TLS_ERROR_CERTIFICATE_REQUIRED))
        return g_strdup("it asks for a client certificate");
    if (!g_error_matches(cause, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE))
        return g_strdup(cause->message);
    if (tls->refused & G_TLS_CERTIFICATE_UNKNOWN_CA)
        return g_strdup("its certificate is of an authority that is not trusted");
    if (tls->refused & (G_TLS_CERTIFICATE_EXPIRED | G_TLS_CERTIFICATE_NOT_ACTIVATED))
        return g_strdup("its certificate is not valid at this time");
    if (tls->refused & G_TLS_CERTIFICATE_BAD_IDENTITY)
        return g_strdup("its certificate is for another name");
    return g_strdup("its certificate is not good");
}
