#include "source/socks.h"

#include <gio/gio.h>
#include <stdbool.h>
#include <string.h>

#define VERSION           5
#define NO_AUTHENTICATION 0x00
#define NO_METHOD         0xff
#define CONNECT           1

#define TYPE_IPV4 1
#define TYPE_NAME 3
#define TYPE_IPV6 4

/* Of a request: what comes before the address, and after it. */
#define HEAD_SIZE 4
#define PORT_SIZE 2

gsize eg_socks_greeting_size(const guint8 *data, gsize size)
{
    return size < 2 || data[0] != VERSION ? 2 : 2 + (gsize)data[1];
}

gsize eg_socks_request_size(const guint8 *data, gsize size)
{
    if (size < HEAD_SIZE + 1 || data[0] != VERSION)
        return HEAD_SIZE + 1;
    switch (data[3]) {
    case TYPE_IPV4:
        return HEAD_SIZE + 4 + PORT_SIZE;
    case TYPE_IPV6:
        return HEAD_SIZE + 16 + PORT_SIZE;
    case TYPE_NAME:
        return HEAD_SIZE + 1 + data[4] + PORT_SIZE;
    default:
        return HEAD_SIZE + 1;
    }
}

EgSocksCode eg_socks_greeting_check(const guint8 *data, gsize size)
{
    if (size < 3 || data[0] != VERSION || size != 2 + (gsize)data[1])
        return EG_SOCKS_FAILURE;
    bool has_method = memchr(data + 2, NO_AUTHENTICATION, size - 2) != NULL;
    return has_method ? EG_SOCKS_OK : EG_SOCKS_FAILURE;
}

/* Names are not only resolved but also logged. Brackets are no part of an address. */
static bool set_name(const guint8 *name, gsize length, EgSocksRequest *request)
{
    for (gsize i = 0; i < length; i++) {
        if (!g_ascii_isalnum(name[i]) && (name[i] == '\0' || strchr("-_.:", name[i]) == NULL))
            return false;
    }
    memcpy(request->host, name, length);
    request->host[length] = '\0';
    return length > 0;
}

static void set_address(const guint8 *bytes, GSocketFamily family, EgSocksRequest *request)
{
    g_autoptr(GInetAddress) address = g_inet_address_new_from_bytes(bytes, family);
    g_autofree char *text = g_inet_address_to_string(address);
    g_strlcpy(request->host, text, sizeof(request->host));
}

EgSocksCode eg_socks_request_parse(const guint8 *data, gsize size, EgSocksRequest *request)
{
    if (size < HEAD_SIZE + 1 || data[0] != VERSION)
        return EG_SOCKS_FAILURE;
    if (data[1] != CONNECT)
        return EG_SOCKS_BAD_COMMAND;
    if (data[3] != TYPE_IPV4 && data[3] != TYPE_IPV6 && data[3] != TYPE_NAME)
        return EG_SOCKS_BAD_ADDRESS_TYPE;
    if (size != eg_socks_request_size(data, size))
        return EG_SOCKS_FAILURE;

    *request = (EgSocksRequest){0};
    request->port = (guint16)(data[size - 2] << 8 | data[size - 1]);
    if (data[3] == TYPE_IPV4)
        set_address(data + HEAD_SIZE, G_SOCKET_FAMILY_IPV4, request);
    else if (data[3] == TYPE_IPV6)
        set_address(data + HEAD_SIZE, G_SOCKET_FAMILY_IPV6, request);
    else if (!set_name(data + HEAD_SIZE + 1, data[4], request))
        return EG_SOCKS_FAILURE;
    return request->port != 0 ? EG_SOCKS_OK : EG_SOCKS_FAILURE;
}

void eg_socks_greeting_answer(EgSocksCode code, guint8 answer[EG_SOCKS_GREETING_ANSWER_SIZE])
{
    answer[0] = VERSION;
    answer[1] = code == EG_SOCKS_OK ? NO_AUTHENTICATION : NO_METHOD;
}

void eg_socks_answer(EgSocksCode code, guint8 answer[EG_SOCKS_ANSWER_SIZE])
{
    memset(answer, 0, EG_SOCKS_ANSWER_SIZE);
    answer[0] = VERSION;
    answer[1] = (guint8)code;
    answer[3] = TYPE_IPV4;
}
