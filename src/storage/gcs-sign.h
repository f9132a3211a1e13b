#pragma once

#include <glib.h>
#include <stdbool.h>

/* What the key of a service account signs. */

/* Whether this is an RSA key in PEM, without a password. */
bool eg_gcs_key_is_usable(const char *pem);

/* A JSON Web Token that asks for an access token, good for an hour; RFC 7523. A new string; NULL if
 * it cannot be made. */
char *eg_gcs_assertion(const char *email, const char *pem, const char *audience, gint64 wall_ns);

typedef struct {
    const char *host; /* the Host header */
    const char *path; /* escaped */
    gint64 from_wall_ns;
    gint64 valid_ns;
} EgGcsReading;

/* The query of a URL by which an object can be read ("V4 signing process"). A new string; NULL if
 * the key is not usable. */
char *eg_gcs_read_query(const char *email, const char *pem, const EgGcsReading *reading);
