#include "request/invalid.h"

#include "base/error.h"

void eg_request_invalid(GError **error, const char *field, const char *reason, ...)
{
    if (reason == NULL) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "request has missing or invalid field: %s", field);
        return;
    }
    va_list args;
    va_start(args, reason);
    g_autofree char *text = g_strdup_vprintf(reason, args);
    va_end(args);
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                 "request has missing or invalid field: %s (%s)", field, text);
}

void eg_request_unimplemented(GError **error, const char *text)
{
    eg_error_set(error, EG_ERROR_UNIMPLEMENTED, EG_BLAME_REQUEST, "%s", text);
}
