#pragma once

#include <glib.h>
#include <stdbool.h>

/* The one error domain of the program. Codes are those of psrpc, since they go on the wire as they
 * are; blame says whose fault it was, retryable whether the same call may succeed later. */
#define EG_ERROR (eg_error_quark())

typedef enum {
    EG_ERROR_NONE,
    EG_ERROR_CANCELED,
    EG_ERROR_INVALID_ARGUMENT,
    EG_ERROR_NOT_FOUND,
    EG_ERROR_ALREADY_EXISTS,
    EG_ERROR_PERMISSION_DENIED,
    EG_ERROR_UNAUTHENTICATED,
    EG_ERROR_RESOURCE_EXHAUSTED,
    EG_ERROR_FAILED_PRECONDITION,
    EG_ERROR_ABORTED,
    EG_ERROR_UNIMPLEMENTED,
    EG_ERROR_UNAVAILABLE,
    EG_ERROR_DEADLINE_EXCEEDED,
    EG_ERROR_DATA_LOSS,
    EG_ERROR_INTERNAL,
    EG_ERROR_MALFORMED_REQUEST,
    EG_ERROR_MALFORMED_RESULT,
    EG_ERROR_NOT_ACCEPTABLE,
    EG_ERROR_OUT_OF_RANGE,
    EG_ERROR_UNPROCESSABLE_ENTITY,
    EG_ERROR_UNKNOWN,
    EG_N_ERRORS,
} EgErrorCode;

typedef enum {
    EG_BLAME_NONE,
    EG_BLAME_SERVICE,     /* this program or the machine it runs on */
    EG_BLAME_REQUEST,     /* whoever asked: a field is wrong, a track does not exist */
    EG_BLAME_DESTINATION, /* the disk, the store or the stream target */
} EgBlame;

GQuark eg_error_quark(void);

/* Sets `*error` (which may be NULL, then nothing happens) to a new EG_ERROR. */
void eg_error_set(GError **error, EgErrorCode code, EgBlame blame, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* The same for an error after which another try may succeed. */
void eg_error_set_retryable(GError **error, EgErrorCode code, EgBlame blame, const char *format,
                            ...) G_GNUC_PRINTF(4, 5);

/* Translates a failed system call on `path` (errno as it was) to an error that blames the
 * destination for a missing right, a full disk and the like. */
void eg_error_set_errno(GError **error, int errnum, const char *doing, const char *path);

/* Says of an error of ours for how long whoever refused wants to be left alone. NULL is fine. */
void eg_error_set_retry_after(GError *error, gint64 retry_after_ns);

/* Foreign errors (not of EG_ERROR) count as internal errors of the service. */
EgErrorCode eg_error_code(const GError *error);
EgBlame eg_error_blame(const GError *error);
bool eg_error_is_retryable(const GError *error);
gint64 eg_error_retry_after_ns(const GError *error); /* 0: nobody has said */

/* "invalid_argument": the name that psrpc puts on the wire. Never NULL. */
const char *eg_error_code_name(EgErrorCode code);

/* The code that has this name; EG_ERROR_UNKNOWN for any other text, also for "". */
EgErrorCode eg_error_code_from_name(const char *name);

/* The HTTP status that EgressInfo.error_code carries for this code; 0 if there is none to tell. */
int eg_error_http_status(EgErrorCode code);
