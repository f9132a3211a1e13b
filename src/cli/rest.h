#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "config/config.h"

/* What earlier runs of `egress record` could not upload is uploaded while this one records. */
typedef struct _EgRest EgRest;

/* `config` and `log` must outlive it. */
EgRest *eg_rest_new(EgLoop *loop, const char *spool_root, const EgConfig *config, const EgLog *log);

/* What is not done is left to the next. */
void eg_rest_free(EgRest *rest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgRest, eg_rest_free)
