#include "base/id.h"

#include <glib.h>

#define RANDOM_CHARS 12

char *eg_id_new(const char *prefix)
{
    static const char letters[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS;
    GString *id = g_string_new(prefix);
    for (int i = 0; i < RANDOM_CHARS; i++)
        g_string_append_c(id, letters[g_random_int_range(0, sizeof(letters) - 1)]);
    return g_string_free(id, FALSE);
}
