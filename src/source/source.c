#include "source/source.h"

#include "source/source-class.h"

struct _EgSource {
    const EgSourceClass *class;
    gpointer variant; /* of the class */
};

/* By EgSourceKind. */
static const EgSourceClass *const classes[EG_N_SOURCES] = {
    [EG_SOURCE_ROOM] = &eg_source_room,
    [EG_SOURCE_PAGE] = &eg_source_page,
};

static const char *const end_reasons[EG_N_ENDS] = {
    [EG_END_NONE] = "",
    [EG_END_STOPPED] = "StopEgress API",
    [EG_END_KILLED] = "Process killed",
    [EG_END_SOURCE_CLOSED] = "Source closed",
    [EG_END_LIMIT] = "Session limit reached",
    [EG_END_STREAMS_STOPPED] = "All streams stopped",
    [EG_END_CPU] = "CPU exhausted",
    [EG_END_FAILURE] = "Failure",
    [EG_END_DUPLICATE_IDENTITY] = "Duplicate identity",
};

const char *eg_end_reason_name(EgEndReason reason)
{
    g_assert(reason < EG_N_ENDS);
    return end_reasons[reason];
}

EgSource *eg_source_new(const EgSourceParams *params, GError **error)
{
    const EgSourceClass *class = classes[params->plan->source];
    gpointer variant = class->open(params, error);
    if (variant == NULL)
        return NULL;
    EgSource *source = g_new(EgSource, 1);
    *source = (EgSource){.class = class, .variant = variant};
    return source;
}

void eg_source_free(EgSource *source)
{
    if (source == NULL)
        return;
    source->class->close(source->variant);
    g_free(source);
}

void eg_source_get_stats(EgSource *source, EgSourceStats *stats)
{
    *stats = (EgSourceStats){0};
    source->class->get_stats(source->variant, stats);
}
