#pragma once

#include <glib.h>

typedef struct {
    int pid;
    char name[16]; /* as PR_SET_NAME of prctl(2) has set it */
} EgProcessChild;

/* The children of a process, also those that have ended and were not waited for. Any thread. */
GArray *eg_process_children(int pid);
