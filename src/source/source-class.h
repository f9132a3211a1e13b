#pragma once

#include "source/source.h"

/* What all sources share; each has its own beside it. */
typedef struct {
    EgLoop *loop;
    const EgPlan *plan;
    const EgConfig *config;
    const char *token; /* valid in open() */
    const EgLog *log;
    EgSourceEvents events;
    gpointer user; /* of the events */
} EgSourceParams;

/* One kind of source, a row of the table in source.c. */
typedef struct {
    gpointer (*open)(const EgSourceParams *params, GError **error);
    void (*close)(gpointer variant);
    void (*get_stats)(gpointer variant, EgSourceStats *stats); /* of stats that are 0 */
} EgSourceClass;

extern const EgSourceClass eg_source_room;
extern const EgSourceClass eg_source_page;
