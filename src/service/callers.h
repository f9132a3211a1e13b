#pragma once

#include "service/egresses.h"

/* Who waits for something to become of an egress. Answers always come from the loop, each once.
 * Loop's thread only. */
typedef struct _EgCallers EgCallers;

EgCallers *eg_callers_new(EgLoop *loop);

/* Whoever still waits hears nothing. */
void eg_callers_free(EgCallers *callers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgCallers, eg_callers_free)

/* The one that waits longest; nothing if nobody does. */
void eg_callers_answer_first(EgCallers *callers, const Livekit__EgressInfo *info,
                             const GError *error);

void eg_callers_add(EgCallers *callers, EgEgressDone done, gpointer user);

/* Answers all of them, and forgets them: with the info, or the error if there is one (copied). */
void eg_callers_answer(EgCallers *callers, const Livekit__EgressInfo *info, const GError *error);

/* The same for one that does not have to wait. */
void eg_callers_answer_one(EgLoop *loop, EgEgressDone done, gpointer user,
                           const Livekit__EgressInfo *info, const GError *error);
