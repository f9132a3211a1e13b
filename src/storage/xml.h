#pragma once

#include <glib.h>

/* What stores answer in XML: a few texts at known places. */

/* The text of the first element at `path` ("Error/Code"; without the prefixes of namespaces), a new
 * string; NULL if there is none, or if this is no XML. Blanks around it go. */
char *eg_xml_find(GBytes *body, const char *path);
