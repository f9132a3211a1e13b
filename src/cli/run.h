#pragma once

/* `egress run`: the fork server of `egress serve` and, forked from it, the process of one egress.
 * Not for people. Returns an exit code. */
int eg_run_main(const char *const *args);
