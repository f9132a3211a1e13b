#pragma once

#include "session/uploads.h"

/* Goes on where the process of an egress has died: completes what it has left in its spool folder,
 * uploads it, and says how the egress has ended. Loop's thread only. */
typedef struct _EgResume EgResume;

typedef struct {
    const char *folder;
    /* How it ends, if the folder does not know better; NULL: that was reported already, and
     * nobody wants to hear of it again. */
    const Livekit__EgressInfo *ending;
    const EgConfig *config; /* must outlive it, as the log */
    const EgLog *log;
} EgResumeParams;

typedef struct {
    /* All that can be done is done; never from inside a call. The final report (borrowed), or NULL
     * if there is none to give. */
    void (*ended)(gpointer user, const Livekit__EgressInfo *info);
} EgResumeEvents;

/* already_exists: another process is at it. Any other error: nothing can be done with it, and it
 * stays. */
EgResume *eg_resume_new(EgLoop *loop, const EgResumeParams *params, const EgResumeEvents *events,
                        gpointer user, GError **error);

/* What is not uploaded stays in the folder, which is let go of. */
void eg_resume_free(EgResume *resume);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgResume, eg_resume_free)
