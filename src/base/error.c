#include "base/error.h"

#include <errno.h>
#include <string.h>

typedef struct {
    EgBlame blame;
    bool retryable;
    gint64 retry_after_ns;
} EgErrorPrivate;

static void eg_error_private_init(EgErrorPrivate *priv)
{
    *priv = (EgErrorPrivate){.blame = EG_BLAME_SERVICE};
}

static void eg_error_private_copy(const EgErrorPrivate *from, EgErrorPrivate *to)
{
    *to = *from;
}

static void eg_error_private_clear(EgErrorPrivate *priv)
{
    (void)priv;
}

G_DEFINE_EXTENDED_ERROR(EgError, eg_error)

static const struct {
    const char *name;
    int http_status;
} codes[EG_N_ERRORS] = {
    [EG_ERROR_NONE] = {"",                     0  },
    [EG_ERROR_CANCELED] = {"canceled",             503},
    [EG_ERROR_INVALID_ARGUMENT] = {"invalid_argument",     400},
    [EG_ERROR_NOT_FOUND] = {"not_found",            404},
    [EG_ERROR_ALREADY_EXISTS] = {"already_exists",       409},
    [EG_ERROR_PERMISSION_DENIED] = {"permission_denied",    403},
    [EG_ERROR_UNAUTHENTICATED] = {"unauthenticated",      401},
    [EG_ERROR_RESOURCE_EXHAUSTED] = {"resource_exhausted",   429},
    [EG_ERROR_FAILED_PRECONDITION] = {"failed_precondition",  412},
    [EG_ERROR_ABORTED] = {"aborted",              409},
    [EG_ERROR_UNIMPLEMENTED] = {"unimplemented",        501},
    [EG_ERROR_UNAVAILABLE] = {"unavailable",          503},
    [EG_ERROR_DEADLINE_EXCEEDED] = {"deadline_exceeded",    503},
    [EG_ERROR_DATA_LOSS] = {"data_loss",            500},
    [EG_ERROR_INTERNAL] = {"internal",             500},
    [EG_ERROR_MALFORMED_REQUEST] = {"malformed_request",    400},
    [EG_ERROR_MALFORMED_RESULT] = {"malformed_result",     500},
    [EG_ERROR_NOT_ACCEPTABLE] = {"not_acceptable",       406},
    [EG_ERROR_OUT_OF_RANGE] = {"out_of_range",         416},
    [EG_ERROR_UNPROCESSABLE_ENTITY] = {"unprocessable_entity", 422},
    [EG_ERROR_UNKNOWN] = {"unknown",              0  },
};

G_GNUC_PRINTF(4, 0)
static void set_error(GError **error, EgErrorCode code, EgErrorPrivate priv, const char *format,
                      va_list args)
{
    if (error == NULL)
        return;
    g_assert(*error == NULL);
    *error = g_error_new_valist(EG_ERROR, (int)code, format, args);
    *eg_error_get_private(*error) = priv;
}

void eg_error_set(GError **error, EgErrorCode code, EgBlame blame, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_error(error, code, (EgErrorPrivate){.blame = blame}, format, args);
    va_end(args);
}

void eg_error_set_retryable(GError **error, EgErrorCode code, EgBlame blame, const char *format,
                            ...)
{
    va_list args;
    va_start(args, format);
    set_error(error, code, (EgErrorPrivate){.blame = blame, .retryable = true}, format, args);
    va_end(args);
}

void eg_error_set_errno(GError **error, int errnum, const char *doing, const char *path)
{
    EgErrorCode code = EG_ERROR_INTERNAL;
    if (errnum == EACCES || errnum == EPERM || errnum == EROFS)
        code = EG_ERROR_PERMISSION_DENIED;
    else if (errnum == ENOENT || errnum == ENOTDIR)
        code = EG_ERROR_NOT_FOUND;
    else if (errnum == EEXIST || errnum == EISDIR)
        code = EG_ERROR_ALREADY_EXISTS;
    else if (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG)
        code = EG_ERROR_RESOURCE_EXHAUSTED;
    else if (errnum == ENAMETOOLONG || errnum == EINVAL)
        code = EG_ERROR_INVALID_ARGUMENT;
    eg_error_set(error, code, EG_BLAME_DESTINATION, "cannot %s %s: %s", doing, path,
                 g_strerror(errnum));
}

void eg_error_set_retry_after(GError *error, gint64 retry_after_ns)
{
    if (error != NULL && error->domain == EG_ERROR)
        eg_error_get_private(error)->retry_after_ns = retry_after_ns;
}

EgErrorCode eg_error_code(const GError *error)
{
    if (error == NULL)
        return EG_ERROR_NONE;
    if (error->domain != EG_ERROR)
        return EG_ERROR_INTERNAL;
    return (EgErrorCode)error->code;
}

EgBlame eg_error_blame(const GError *error)
{
    if (error == NULL)
        return EG_BLAME_NONE;
    if (error->domain != EG_ERROR)
        return EG_BLAME_SERVICE;
    return eg_error_get_private(error)->blame;
}

bool eg_error_is_retryable(const GError *error)
{
    return error != NULL && error->domain == EG_ERROR && eg_error_get_private(error)->retryable;
}

gint64 eg_error_retry_after_ns(const GError *error)
{
    if (error == NULL || error->domain != EG_ERROR)
        return 0;
    return eg_error_get_private(error)->retry_after_ns;
}

const char *eg_error_code_name(EgErrorCode code)
{
    g_assert(code < EG_N_ERRORS);
    return codes[code].name;
}

EgErrorCode eg_error_code_from_name(const char *name)
{
    for (EgErrorCode code = EG_ERROR_NONE + 1; code < EG_N_ERRORS; code++) {
        if (strcmp(codes[code].name, name) == 0)
            return code;
    }
    return EG_ERROR_UNKNOWN;
}

int eg_error_http_status(EgErrorCode code)
{
    g_assert(code < EG_N_ERRORS);
    return codes[code].http_status;
}
