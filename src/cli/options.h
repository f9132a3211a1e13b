#pragma once

#include "config/config.h"
#include "rpc_egress.pb-c.h"

/* The command line of `egress record`, turned into what a service is given: a request and a config.
 * Whether they make sense together is for eg_plan_new() to say; here only what a request has no
 * words for is refused. */
typedef struct {
    EgConfig *config;
    Rpc__StartEgressRequest *request; /* allocated with malloc; NULL if help was asked for */
    gint64 duration_ns;               /* 0: until it ends or is stopped */
    bool may_overwrite;
    bool is_json;
    bool is_quiet;
    char *help; /* the text to be shown, or NULL */
} EgRecordOptions;

/* `args` begins with the first option and ends with NULL. Reads the environment for what is not
 * given. NULL and an error that blames the request. */
EgRecordOptions *eg_record_options_parse(const char *const *args, GError **error);
void eg_record_options_free(EgRecordOptions *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgRecordOptions, eg_record_options_free)
