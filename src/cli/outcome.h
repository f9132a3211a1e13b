#pragma once

#include <glib.h>
#include <stdbool.h>

/* What a script learns from how `egress record` ends. */
typedef enum {
    EG_EXIT_FINISHED = 0,
    EG_EXIT_FAILED = 1,      /* while recording: what was recorded is kept; or an internal error */
    EG_EXIT_USAGE = 2,       /* options that are wrong or contradict each other or what is sent */
    EG_EXIT_ROOM = 3,        /* the server cannot be reached or does not let us in */
    EG_EXIT_NOT_FOUND = 4,   /* no such participant, track or room */
    EG_EXIT_DESTINATION = 5, /* the file cannot be written */
    EG_EXIT_GIVEN_UP = 130,  /* by a second signal, or by one before there was anything */
} EgExit;

/* By code and blame. `has_recorded`: the error came after the recording had begun. */
EgExit eg_exit_for_error(const GError *error, bool has_recorded);

/* The one line that tells people of an error: "egress: ...", with the option that a field of the
 * request comes from, without what could upset a terminal. A new string without line end. */
char *eg_error_line(const GError *error);

/* `text` fit for a terminal: control and other unprintable characters become "?". A new string. */
char *eg_printable(const char *text);
