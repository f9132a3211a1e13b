#pragma once

#include <glib.h>
#include <stdbool.h>

#include "config/storage.h"
#include "storage/endpoint.h"

/* Where the objects of one bucket are. */
typedef struct {
    EgEndpoint endpoint; /* all NULL: AWS's own, which depend on the region */
    char *bucket;
    bool is_path_style; /* the bucket is in the path, not in front of the host */
} EgS3Address;

/* Of the settings, or of the environment; NULL: AWS's own. */
const char *eg_s3_endpoint(const EgStorage *storage);

/* Fills in a zeroed `address`; what is wrong with bucket or endpoint is an error. The path is the
 * style also where a name in front of the host cannot work: addresses, localhost, odd buckets. */
bool eg_s3_address_init(EgS3Address *address, const EgStorage *storage, GError **error);
void eg_s3_address_clear(EgS3Address *address);

/* The URL of an object, or of the bucket if `key` is NULL. `query` (escaped; NULL: none). A new
 * string. */
char *eg_s3_address_url(const EgS3Address *address, const char *region, const char *key,
                        const char *query);

/* The URL by which AWS is asked for the region of the bucket. A new string. */
char *eg_s3_address_region_url(const EgS3Address *address);

/* Where LiveKit says that an object is: without the region, and not escaped. A new string. */
char *eg_s3_address_location(const EgS3Address *address, const char *key);

/* Whether this can be part of a host name. */
bool eg_s3_is_region(const char *region);
