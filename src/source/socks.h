#pragma once

#include <glib.h>

/* What the client of a SOCKS5 proxy says (RFC 1928): a greeting, then a request. Pure functions.
 * They are asked with what has come so far how long the message is at least, until that is how much
 * has come; so nobody reads on into what follows. */

/* The longest message. */
#define EG_SOCKS_MAX_SIZE 262

gsize eg_socks_greeting_size(const guint8 *data, gsize size);
gsize eg_socks_request_size(const guint8 *data, gsize size);

/* Answer codes (section 6). */
typedef enum {
    EG_SOCKS_OK,
    EG_SOCKS_FAILURE,
    EG_SOCKS_NOT_ALLOWED,
    EG_SOCKS_NETWORK_UNREACHABLE,
    EG_SOCKS_HOST_UNREACHABLE,
    EG_SOCKS_REFUSED,
    EG_SOCKS_TIMED_OUT, /* "TTL expired" */
    EG_SOCKS_BAD_COMMAND,
    EG_SOCKS_BAD_ADDRESS_TYPE,
} EgSocksCode;

/* OK if the client takes a proxy that asks for no name and password. */
EgSocksCode eg_socks_greeting_check(const guint8 *data, gsize size);

typedef struct {
    char host[256]; /* a name, or an address as text; ASCII letters, digits and "-_.:" alone */
    guint16 port;
} EgSocksRequest;

/* A whole request to connect, or why it is none. */
EgSocksCode eg_socks_request_parse(const guint8 *data, gsize size, EgSocksRequest *request);

#define EG_SOCKS_GREETING_ANSWER_SIZE 2
#define EG_SOCKS_ANSWER_SIZE          10

void eg_socks_greeting_answer(EgSocksCode code, guint8 answer[EG_SOCKS_GREETING_ANSWER_SIZE]);

/* Tells no address: what is behind the proxy is nobody's business. */
void eg_socks_answer(EgSocksCode code, guint8 answer[EG_SOCKS_ANSWER_SIZE]);
