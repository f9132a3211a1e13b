/* The command line: dispatches to a role, nothing else. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/outcome.h"
#include "cli/record.h"
#include "cli/run.h"
#include "cli/serve.h"
#include "version.h"

static const char help[] =
    "Usage: egress COMMAND [OPTION...]\n"
    "\n"
    "Records LiveKit rooms.\n"
    "\n"
    "Commands:\n"
    "  record     Record a participant or tracks of a room into a file\n"
    "  serve      Take LiveKit's egress requests, from a livekit-server or over HTTP\n"
    "\n"
    "Options:\n"
    "  --help     Show this text; egress COMMAND --help shows the command's\n"
    "  --version  Show the version\n";

static const struct {
    const char *name;
    int (*main)(const char *const *args);
} commands[] = {
    {"record", eg_record_main},
    {"serve",  eg_serve_main },
    {"run",    eg_run_main   }, /* by serve alone */
};

int main(int argc, char **argv)
{
    /* A reader that has gone is an error of the write, not the end of a recording. */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        fprintf(stderr, "egress: no command; egress --help shows what there is\n");
        return EG_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(help, stdout);
        return EG_EXIT_FINISHED;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("egress %s\n", EG_VERSION);
        return EG_EXIT_FINISHED;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].main((const char *const *)(argv + 2));
    }
    fprintf(stderr, "egress: unknown command %s; egress --help shows what there is\n", argv[1]);
    return EG_EXIT_USAGE;
}
