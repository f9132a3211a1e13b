#pragma once

#include <glib.h>
#include <stdbool.h>

/* Where a store is, as the settings say it: a host, host:port, or an http or https URL. */
typedef struct {
    char *scheme;    /* "https" if it does not say */
    char *authority; /* the host, and the port if it says one */
    char *path;      /* "" or "/a/b", escaped, without a slash at its end */
    bool is_address; /* or localhost: no names can be put in front of it */
} EgEndpoint;

/* Fills in a zeroed `endpoint`; left as it was on an error, which names the field. */
bool eg_endpoint_parse(EgEndpoint *endpoint, const char *text, GError **error);
void eg_endpoint_clear(EgEndpoint *endpoint);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EgEndpoint, eg_endpoint_clear)
