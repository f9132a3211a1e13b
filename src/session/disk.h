#pragma once

#include "request/plan.h"

/* Whether there is room to record: disks are looked at before they are full. */

/* Of all disks that the outputs of a plan are recorded to (`spool_root`: those that go to a store)
 * at the start. resource_exhausted names the disk that has less than the configuration's least. */
bool eg_disk_check_plan(const EgPlan *plan, const EgConfig *config, const char *spool_root,
                        GError **error);

/* Of the one that a file, or the first of many, is recorded to. `size_bytes`: what finishing it
 * takes beside that. */
bool eg_disk_check(const char *path, const EgConfig *config, guint64 size_bytes, GError **error);
