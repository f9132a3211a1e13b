#pragma once

#include "request/plan.h"

/* What can be known of the place where a plan's file will be before anything is recorded, if that
 * is on this machine. The sink finds the rest when it opens it; stores are asked by the uploader.
 */
typedef enum {
    EG_DESTINATION_ANY = 0,
    EG_DESTINATION_NEW = 1 << 0,              /* a file that is there already is an error */
    EG_DESTINATION_MAY_MAKE_FOLDERS = 1 << 1, /* a folder that is missing is none */
} EgDestinationRule;

/* False and an error that blames the destination: its folder is missing, no folder or not writable,
 * or there is a folder (or, with EG_DESTINATION_NEW, a file) of the name. Of a name with {time} and
 * the like only the folder is looked at. */
bool eg_destination_check(const EgPlan *plan, EgDestinationRule rule, GError **error);
