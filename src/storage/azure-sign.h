#pragma once

#include <glib.h>
#include <stdbool.h>

/* How requests to Azure Blob Storage are signed with the key of the account ("Authorize with Shared
 * Key"), and URLs that need no key ("Create a service SAS"). */

#define EG_AZURE_VERSION "2021-08-06"

typedef struct {
    const char *method;
    const char *path;           /* escaped, as in the URL */
    const char *const *query;   /* name, value, … not escaped; names in small letters, in
                                   alphabetical order. NULL: none */
    const char *const *headers; /* "Name: value", x-ms-date and x-ms-version among them */
    gsize content_bytes;
} EgAzureRequest;

/* The Authorization header, without its name. A new string. */
char *eg_azure_authorization(const char *account, GBytes *key, const EgAzureRequest *request);

/* The query of a URL by which a blob can be read until then. A new string. `is_secure`: not over
 * plain HTTP. */
char *eg_azure_read_query(const char *account, GBytes *key, const char *container, const char *name,
                          gint64 until_wall_ns, bool is_secure);
