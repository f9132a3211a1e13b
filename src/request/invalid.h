#pragma once

#include <glib.h>

/* Sets LiveKit's "request has missing or invalid field: <field>" with, in brackets, what is wrong
 * and what would be right; `reason` NULL: just missing. Code invalid_argument, blame request. */
void eg_request_invalid(GError **error, const char *field, const char *reason, ...)
    G_GNUC_PRINTF(3, 4);

/* For what is a good request, but for what there is not yet; `text` names the field and what would
 * work. Code unimplemented, blame request. */
void eg_request_unimplemented(GError **error, const char *text);
