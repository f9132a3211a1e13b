#pragma once

#include <glib.h>

/* A file that cannot be read any more: what is linked to this has its reads answered with EIO, from
 * `offset` of the file on. Other files are read as ever. NULL: all is well again. */
void broken_disk_set(const char *path, goffset offset);
