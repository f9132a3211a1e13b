#pragma once

#include <gio/gio.h>

/* A resolver that answers with what it was given, one answer after the other, and to all else
 * never. */
GResolver *fake_resolver_new(void);

/* "10.0.0.1 127.0.0.1". */
void fake_resolver_add(GResolver *resolver, const char *addresses);

guint fake_resolver_n_lookups(GResolver *resolver);
