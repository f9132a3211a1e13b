#pragma once

#include <glib.h>
#include <stdbool.h>

#include "livekit_egress.pb-c.h"

/* What must survive a crash of the service: the last report of each egress, one file each, in a
 * folder of this process's own below `root`, which is locked while it lives. */
typedef struct _EgState EgState;

/* Makes the folder (mode 0700). */
EgState *eg_state_new(const char *root, GError **error);

/* Removes the folder if nothing is in it. */
void eg_state_free(EgState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgState, eg_state_free)

const char *eg_state_folder(const EgState *state);

/* Of any such folder: whether a process has it, and whether there is an egress in it. */
bool eg_state_is_alive(const char *folder);
bool eg_state_has(const char *folder, const char *egress_id);

/* Replaces the file in one step. A disk that fails is logged by the caller. */
bool eg_state_put(EgState *state, const Livekit__EgressInfo *info, GError **error);
void eg_state_remove(EgState *state, const char *egress_id);

/* What is still to be done for one whose report is final. When all is, its file is removed. */
typedef enum {
    EG_STATE_REPORT = 1 << 0, /* to be delivered */
    EG_STATE_HOOKS = 1 << 1,  /* to be called */
} EgStateOwed;
guint eg_state_owed(const EgState *state, const char *egress_id); /* set of them; 0: no file */
void eg_state_settle(EgState *state, const char *egress_id, EgStateOwed done);

/* Takes over what services that have died have left: each is handed to `take` once and belongs to
 * this state from then on; broken files are set aside with another name, and what cannot be read
 * now is left where it is. */
void eg_state_adopt(EgState *state, void (*take)(gpointer user, const Livekit__EgressInfo *info),
                    gpointer user);
