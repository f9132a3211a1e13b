#pragma once

#include <glib.h>

/* How requests to Alibaba's OSS are signed: version 1, in the header or in the URL. */

typedef struct {
    const char *method;
    const char *bucket;
    const char *key;            /* not escaped */
    const char *const *query;   /* subresources: name, value ("" for none), …, not escaped, in
                                   alphabetical order. NULL: none */
    const char *const *headers; /* "Name: value", Date among them */
} EgAliossRequest;

/* The Authorization header, without its name. A new string. */
char *eg_alioss_authorization(const char *access_key, const char *secret,
                              const EgAliossRequest *request);

/* The query of a URL by which an object can be read until then. A new string. */
char *eg_alioss_read_query(const char *access_key, const char *secret, const char *bucket,
                           const char *key, gint64 until_wall_ns);
