#include "base/time.h"

#include <string.h>
#include <time.h>

static gint64 clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (gint64)now.tv_sec * EG_NS_PER_S + now.tv_nsec;
}

gint64 eg_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

gint64 eg_wall_now_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

static const struct {
    const char *name;
    gint64 ns;
} units[] = {
    {"ns", 1                 },
    {"us", EG_NS_PER_US      },
    {"ms", EG_NS_PER_MS      },
    {"s",  EG_NS_PER_S       },
    {"m",  60 * EG_NS_PER_S  },
    {"h",  3600 * EG_NS_PER_S},
};

static gint64 unit_ns(const char *name, gsize length)
{
    if (length == 0)
        return EG_NS_PER_S;
    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        if (strlen(units[i].name) == length && strncmp(units[i].name, name, length) == 0)
            return units[i].ns;
    }
    return 0;
}

/* A decimal number without sign and exponent; false if there is none at `*text`. */
static bool take_number(const char **text, double *value)
{
    gsize length = strspn(*text, "0123456789.");
    g_autofree char *number = g_strndup(*text, length);
    char *end = NULL;
    *value = g_ascii_strtod(number, &end);
    if (end == number || *end != '\0')
        return false;
    *text += length;
    return true;
}

bool eg_duration_parse(const char *text, gint64 *duration_ns)
{
    const double longest_ns = 10.0 * 365 * 24 * 3600 * (double)EG_NS_PER_S;
    const char *start = text;
    double total_ns = 0;

    if (*text == '\0')
        return false;
    while (*text != '\0') {
        const char *number = text;
        double value = 0;
        if (!take_number(&text, &value))
            return false;
        gsize length = strspn(text, "nusmh");
        gint64 factor_ns = unit_ns(text, length);
        /* Only a number that stands alone may do without a unit. */
        if (factor_ns == 0 || (length == 0 && (number != start || *text != '\0')))
            return false;
        total_ns += value * (double)factor_ns;
        if (!(total_ns <= longest_ns))
            return false;
        text += length;
    }
    *duration_ns = (gint64)(total_ns + 0.5);
    return true;
}
