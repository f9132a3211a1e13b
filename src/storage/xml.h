#pragma once

#include <glib.h>

#include "storage/http.h"

/* What stores answer in XML: a few texts at known places. */

/* The text of the first element at `path` ("Error/Code"; without the prefixes of namespaces), a new
 * string; NULL if there is none, or if this is no XML. Blanks around it go. */
char *eg_xml_find(GBytes *body, const char *path);

/* eg_http_set_error() of an answer with <Error><Code>…<Message>. The codes of `retryable` (NULL at
 * the end) are, whatever the status. */
void eg_xml_set_error(GError **error, const char *doing, const EgHttpReply *reply,
                      const char *const *retryable);
