#pragma once

/* `egress serve`: the service, until it is told to end. Returns an exit code (cli/outcome.h). */
int eg_serve_main(const char *const *args);
