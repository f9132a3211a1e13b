#pragma once

/* `egress record`: one egress in the foreground, with `args` (those after the word "record", ended
 * by NULL). Returns the exit status of the process, an EgExit. */
int eg_record_main(const char *const *args);
