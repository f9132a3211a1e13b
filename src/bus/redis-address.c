#include "bus/redis-address.h"

#include "base/error.h"

#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/un.h>

#define MAX_HOST_BYTES 253

static EgRedisAddress *new_from_connectable(GSocketConnectable *connectable, const char *host,
                                            char *text)
{
    EgRedisAddress *address = g_rc_box_new0(EgRedisAddress);
    address->connectable = connectable;
    address->host = g_strdup(host);
    address->text = text;
    return address;
}

EgRedisAddress *eg_redis_address_new(const char *host, guint16 port)
{
    const bool is_ipv6 = strchr(host, ':') != NULL;
    return new_from_connectable(g_network_address_new(host, port), host,
                                g_strdup_printf(is_ipv6 ? "[%s]:%u" : "%s:%u", host, port));
}

/* What resolvers and certificates may be asked for. */
static bool is_host(const char *text)
{
    const gsize length = strlen(text);
    if (length == 0 || length > MAX_HOST_BYTES)
        return false;
    if (g_hostname_is_ip_address(text))
        return true;
    for (const char *at = text; *at != '\0'; at++)
        if (!g_ascii_isalnum(*at) && strchr("-._", *at) == NULL)
            return false;
    return true;
}

static bool parse_port(const char *text, guint16 *port)
{
    guint64 value;
    if (!g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT16, &value, NULL))
        return false;
    *port = (guint16)value;
    return true;
}

/* "host", "host:port", "v6", "[v6]", "[v6]:port". */
static EgRedisAddress *parse_host_port(const char *text, guint16 port)
{
    const bool is_bracketed = *text == '[';
    const char *end = is_bracketed ? strchr(text, ']') : strrchr(text, ':');
    if (is_bracketed && end == NULL)
        return NULL;
    if (g_hostname_is_ip_address(text) || end == NULL)
        end = text + strlen(text);
    g_autofree char *host = is_bracketed ? g_strndup(text + 1, (gsize)(end - text - 1))
                                         : g_strndup(text, (gsize)(end - text));
    const char *rest = is_bracketed ? end + 1 : end;
    if (!is_host(host) || (*rest != '\0' && (*rest != ':' || !parse_port(rest + 1, &port))))
        return NULL;
    return eg_redis_address_new(host, port);
}

EgRedisAddress *eg_redis_address_parse(const char *key, const char *text, guint16 default_port,
                                       GError **error)
{
    if (*text == '/' && strlen(text) < sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return new_from_connectable(G_SOCKET_CONNECTABLE(g_unix_socket_address_new(text)), NULL,
                                    g_strdup(text));
    EgRedisAddress *address = parse_host_port(text, default_port);
    if (address != NULL)
        return address;
    /* A URL may have a password in it. */
    const bool is_url = strchr(text, '@') != NULL || strstr(text, "//") != NULL;
    if (is_url || !g_utf8_validate(text, -1, NULL))
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                     "%s is no address: it would be host:port, and not a URL", key);
    else
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                     "%s is no address: '%s' would have to be host:port", key, text);
    return NULL;
}

EgRedisAddress *eg_redis_address_new_redirect(const char *reply, const EgRedisAddress *from,
                                              bool *is_ask)
{
    g_auto(GStrv) words = g_strsplit(reply, " ", 4);
    if (g_strv_length(words) != 3)
        return NULL;
    *is_ask = strcmp(words[0], "ASK") == 0;
    if (!*is_ask && strcmp(words[0], "MOVED") != 0)
        return NULL;
    /* IPv6 comes without brackets: "MOVED 1 ::1:6379". */
    char *colon = strrchr(words[2], ':');
    guint16 port = 0;
    if (colon == NULL || !parse_port(colon + 1, &port))
        return NULL;
    *colon = '\0';
    const char *host = *words[2] != '\0' ? words[2] : from->host;
    return host != NULL && is_host(host) ? eg_redis_address_new(host, port) : NULL;
}

EgRedisAddress *eg_redis_address_ref(EgRedisAddress *address)
{
    return g_rc_box_acquire(address);
}

static void clear(gpointer data)
{
    EgRedisAddress *address = data;
    g_object_unref(address->connectable);
    g_free(address->host);
    g_free(address->text);
}

void eg_redis_address_unref(EgRedisAddress *address)
{
    if (address != NULL)
        g_rc_box_release_full(address, clear);
}
