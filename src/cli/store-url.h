#pragma once

#include <glib.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* What -o names of a store, as people write it: s3://bucket/folder/name.mp4, gs://, az://, oss://;
 * behind a ? what else there is to say (endpoint, region, path_style). Keys are not part of it, but
 * of the environment. */
bool eg_store_url_is(const char *output);

/* Takes it apart: `*key` is the name in the store (a new string), `*store` the message for a
 * request (to be freed). False and an error that says what would be right. */
bool eg_store_url_parse(const char *output, char **key, ProtobufCMessage **store, GError **error);
