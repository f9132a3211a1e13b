#pragma once

#include <glib.h>

/* An HTTP server that says what a test wants, byte for byte, also what no proper server would. It
 * has threads of its own, as who asks it blocks. */
typedef struct _MockHttp MockHttp;

MockHttp *mock_http_new(void);
void mock_http_free(MockHttp *mock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MockHttp, mock_http_free)

/* "http://127.0.0.1:1234"; static. */
const char *mock_http_url(const MockHttp *mock);

/* Appends to the answers, one for each request: a whole one as on the wire. The connection is
 * closed after it unless it has a Content-Length and nothing is missing. Without an answer left,
 * the request is left waiting until the connection is closed or the server freed. */
void mock_http_answer(MockHttp *mock, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The same with a body, whose length it tells. `head`: "200 OK\r\n" and headers, each with CRLF. */
void mock_http_answer_body(MockHttp *mock, const char *head, const char *body);

/* The oldest request that was not taken yet, as it came; NULL if there is none. */
char *mock_http_take(MockHttp *mock);

/* How many connections there were. */
guint mock_http_connections(MockHttp *mock);
