#pragma once

#include "source/source.h"

/* One kind of source, a row of the table in source.c. */
typedef struct {
    gpointer (*open)(const EgSourceParams *params, GError **error);
    void (*close)(gpointer variant);
    void (*get_stats)(gpointer variant, EgSourceStats *stats); /* of stats that are 0 */
} EgSourceClass;

extern const EgSourceClass eg_source_room;
extern const EgSourceClass eg_source_page;
