#include "config/value.h"

#include <gio/gio.h>
#include <math.h>
#include <string.h>

#include "base/time.h"

#define BYTES_PER_GIBIBYTE (1024.0 * 1024.0 * 1024.0)

static void *target(void *owner, const EgConfigKey *key)
{
    return (char *)owner + key->offset;
}

/* Digits and a minus: no blanks, no plus, no hexadecimal. */
static bool parse_whole(const char *text, gint64 *value)
{
    return *text != '+' && g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, value, NULL);
}

static bool parse_real(const char *text, double *value)
{
    if (text[strspn(text, "0123456789.eE+-")] != '\0')
        return false;
    char *end = NULL;
    *value = g_ascii_strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*value);
}

/* What is kept as it is written. */

static bool is_text(const char *text)
{
    (void)text;
    return true;
}

static bool is_path(const char *text)
{
    return g_path_is_absolute(text);
}

static bool is_url(const char *text, const char *const *schemes)
{
    g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_NONE, NULL);
    return uri != NULL && g_uri_get_host(uri) != NULL && *g_uri_get_host(uri) != '\0' &&
           g_strv_contains(schemes, g_uri_get_scheme(uri));
}

static bool is_server_url(const char *text)
{
    static const char *const schemes[] = {"ws", "wss", "http", "https", NULL};
    return is_url(text, schemes);
}

static bool is_web_url(const char *text)
{
    static const char *const schemes[] = {"http", "https", NULL};
    return is_url(text, schemes);
}

/* A name or an address, of which that of IPv6 has colons. */
static bool is_name(const char *text, gsize length, bool may_have_colons)
{
    for (gsize i = 0; i < length; i++) {
        bool is_colon = text[i] == ':' && may_have_colons;
        if (!g_ascii_isalnum(text[i]) && strchr(".-_%", text[i]) == NULL && !is_colon)
            return false;
    }
    return length > 0;
}

static bool is_host(const char *text)
{
    const char *colon = strchr(text, ':');
    bool has_port = colon != NULL && strchr(colon + 1, ':') == NULL;
    return !has_port && is_name(text, strlen(text), true);
}

static bool is_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    gint64 port;
    if (colon == NULL || !parse_whole(colon + 1, &port) || port < 1 || port > 65535)
        return false;
    gsize length = (gsize)(colon - text);
    if (length > 2 && text[0] == '[' && text[length - 1] == ']')
        return is_name(text + 1, length - 2, true);
    return is_name(text, length, false);
}

static bool is_network(const char *text)
{
    g_autoptr(GInetAddressMask) mask = g_inet_address_mask_new_from_string(text, NULL);
    return strcmp(text, "*") == 0 || mask != NULL || is_address(text) || is_host(text);
}

static bool is_flag(const char *text)
{
    return g_ascii_isalpha(*text) && is_name(text, strcspn(text, "="), false);
}

/* Numbers and times: what is kept of them, and the same in the unit of `min` and `max`. */

static bool parse_number(const char *text, gint64 *kept, double *amount)
{
    if (!parse_whole(text, kept))
        return false;
    *amount = (double)*kept;
    return true;
}

static bool parse_gibibytes(const char *text, gint64 *kept, double *amount)
{
    /* A million of them is more memory than there is. */
    if (!parse_real(text, amount) || fabs(*amount) > 1e6)
        return false;
    *kept = (gint64)(*amount * BYTES_PER_GIBIBYTE + 0.5);
    return true;
}

/* A number alone would be seconds to some and nanoseconds to others. */
static bool parse_duration(const char *text, gint64 *kept, double *amount)
{
    bool has_unit = g_ascii_isalpha(text[strlen(text) - 1]);
    if ((!has_unit && strcmp(text, "0") != 0) || !eg_duration_parse(text, kept))
        return false;
    *amount = (double)*kept / (double)EG_NS_PER_S;
    return true;
}

static bool parse_time(const char *text, gint64 unit_ns, gint64 *kept, double *amount)
{
    if (!parse_whole(text, kept) || *kept < -G_MAXINT32 || *kept > G_MAXINT32)
        return false;
    *kept *= unit_ns;
    *amount = (double)*kept / (double)EG_NS_PER_S;
    return true;
}

static bool parse_seconds(const char *text, gint64 *kept, double *amount)
{
    return parse_time(text, EG_NS_PER_S, kept, amount);
}

static bool parse_minutes(const char *text, gint64 *kept, double *amount)
{
    return parse_time(text, 60 * EG_NS_PER_S, kept, amount);
}

static bool parse_milliseconds(const char *text, gint64 *kept, double *amount)
{
    return parse_time(text, EG_NS_PER_MS, kept, amount);
}

#define KIND(...)                                                                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define WRITTEN(what, check) KIND(.wanted = (what), .fits = (check))
#define LIST(what, check)    KIND(.wanted = (what), .fits = (check), .is_list = true)
#define AMOUNT(what, parser, its_unit, factor)                                                     \
    KIND(.wanted = (what), .parse = (parser), .unit = (its_unit), .per_unit = (factor))

/* One row a kind: `fits` of what is kept as written, `parse` of whole numbers and times. */
static const struct {
    const char *wanted;
    bool (*fits)(const char *text);
    bool is_list;
    bool (*parse)(const char *text, gint64 *kept, double *amount);
    const char *unit; /* that `min` and `max` are shown in; NULL if they do not count */
    double per_unit;
} kinds[] = {
    [EG_KEY_ANYTHING] = KIND(.wanted = "anything"),
    [EG_KEY_TEXT] = WRITTEN("text", is_text),
    [EG_KEY_PATH] = WRITTEN("a path that begins with /", is_path),
    [EG_KEY_URL] = WRITTEN("a ws, wss, http or https URL", is_server_url),
    [EG_KEY_WEB_URL] = WRITTEN("an http or https URL", is_web_url),
    [EG_KEY_HOST] = WRITTEN("a host name or address without port", is_host),
    [EG_KEY_ADDRESS] = WRITTEN("host:port", is_address),
    [EG_KEY_ADDRESSES] = LIST("a list of host:port", is_address),
    [EG_KEY_WEB_URLS] = LIST("a list of http or https URLs", is_web_url),
    [EG_KEY_NETWORKS] =
        LIST("a list of host, host:port, networks like 10.0.0.0/8, or *", is_network),
    [EG_KEY_FLAGS] =
        LIST("names of flags without dashes, each with a value, true or false", is_flag),
    [EG_KEY_PAIRS] = LIST("names, each with a text", is_text),
    [EG_KEY_STORAGE] = KIND(.wanted = "a section with the keys of a store"),
    [EG_KEY_SWITCH] = KIND(.wanted = "true or false"),
    [EG_KEY_CHOICE] = KIND(.wanted = "one of"),
    [EG_KEY_WORD] = KIND(.wanted = "one of"),
    [EG_KEY_LOG_LEVEL] = KIND(.wanted = "one of error, warn, info, debug"),
    [EG_KEY_REAL] = AMOUNT("a number", NULL, "", 1),
    [EG_KEY_NUMBER] = AMOUNT("a whole number", parse_number, "", 1),
    [EG_KEY_BYTES] = AMOUNT("a whole number", parse_number, " (bytes)", 1),
    [EG_KEY_GIBIBYTES] = AMOUNT("a number", parse_gibibytes, " (GB)", 1),
    [EG_KEY_DURATION] = AMOUNT("a time like 500ms, 15s or 1h30m", parse_duration, "s", 1),
    [EG_KEY_SECONDS] = AMOUNT("a whole number", parse_seconds, " (seconds)", 1),
    [EG_KEY_MINUTES] = AMOUNT("a whole number", parse_minutes, " (minutes)", 1.0 / 60),
    [EG_KEY_MILLISECONDS] = AMOUNT("a whole number", parse_milliseconds, " (milliseconds)", 1000),
};

static bool is_within(const EgConfigKey *key, double amount)
{
    return amount >= key->min && (key->max == 0 || amount <= key->max);
}

static bool set_amount(void *owner, const EgConfigKey *key, const char *text)
{
    gint64 kept = 0;
    double amount = 0;
    bool is_real = key->kind == EG_KEY_REAL;
    if (!(is_real ? parse_real(text, &amount) : kinds[key->kind].parse(text, &kept, &amount)))
        return false;
    if (amount == 0 && key->zero_is_standard)
        return true;
    if (!is_within(key, amount))
        return false;
    if (is_real)
        *(double *)target(owner, key) = amount;
    else if (key->kind == EG_KEY_NUMBER)
        *(guint *)target(owner, key) = (guint)kept;
    else
        *(gint64 *)target(owner, key) = kept;
    return true;
}

static bool set_text(void *owner, const EgConfigKey *key, const char *text)
{
    if (!kinds[key->kind].fits(text))
        return false;
    char **to = target(owner, key);
    g_free(*to);
    *to = g_strdup(text);
    return true;
}

static bool set_switch(void *owner, const EgConfigKey *key, const char *text)
{
    static const char *const on[] = {"true", "yes", "on", "y", NULL};
    static const char *const off[] = {"false", "no", "off", "n", NULL};
    g_autofree char *word = g_ascii_strdown(text, -1);
    bool is_on = g_strv_contains(on, word);
    if (!is_on && !g_strv_contains(off, word))
        return false;
    bool *to = target(owner, key);
    *to = *to || is_on;
    return true;
}

static bool set_choice(void *owner, const EgConfigKey *key, const char *text)
{
    bool is_second = strcmp(text, key->choices[1]) == 0;
    if (!is_second && strcmp(text, key->choices[0]) != 0)
        return false;
    *(bool *)target(owner, key) = is_second;
    return true;
}

static bool set_word(void *owner, const EgConfigKey *key, const char *text)
{
    for (const char *const *word = key->words; *word != NULL; word++) {
        if (strcmp(text, *word) == 0) {
            *(const char **)target(owner, key) = *word;
            return true;
        }
    }
    return false;
}

bool eg_config_value_set(void *owner, const EgConfigKey *key, const char *text)
{
    g_assert(!eg_config_key_is_list(key));
    if (*text == '\0' || key->kind == EG_KEY_ANYTHING || key->kind == EG_KEY_STORAGE)
        return true;
    if (key->kind == EG_KEY_SWITCH)
        return set_switch(owner, key, text);
    if (key->kind == EG_KEY_CHOICE)
        return set_choice(owner, key, text);
    if (key->kind == EG_KEY_WORD)
        return set_word(owner, key, text);
    if (key->kind == EG_KEY_LOG_LEVEL)
        return eg_log_level_parse(text, target(owner, key));
    if (kinds[key->kind].fits != NULL)
        return set_text(owner, key, text);
    return set_amount(owner, key, text);
}

bool eg_config_value_set_list(void *owner, const EgConfigKey *key, char **texts)
{
    g_assert(eg_config_key_is_list(key));
    g_auto(GStrv) owned = texts;
    for (char **text = owned; *text != NULL; text++) {
        if (!kinds[key->kind].fits(*text))
            return false;
    }
    if (*owned == NULL)
        return true;
    char ***to = target(owner, key);
    g_strfreev(*to);
    *to = g_steal_pointer(&owned);
    return true;
}

bool eg_config_key_is_list(const EgConfigKey *key)
{
    return kinds[key->kind].is_list;
}

char *eg_config_value_wanted(const EgConfigKey *key)
{
    const char *wanted = kinds[key->kind].wanted;
    const char *unit = kinds[key->kind].unit;
    double per_unit = kinds[key->kind].per_unit;
    if (key->kind == EG_KEY_CHOICE)
        return g_strdup_printf("%s %s, %s", wanted, key->choices[0], key->choices[1]);
    if (key->kind == EG_KEY_WORD) {
        g_autofree char *words = g_strjoinv(", ", (char **)key->words);
        return g_strdup_printf("%s %s", wanted, words);
    }
    if (unit == NULL)
        return g_strdup(wanted);
    if (key->max == 0)
        return g_strdup_printf("%s, at least %g%s", wanted, key->min * per_unit, unit);
    return g_strdup_printf("%s, from %g to %g%s", wanted, key->min * per_unit, key->max * per_unit,
                           unit);
}

bool eg_config_value_is_public(const EgConfigKey *key)
{
    return key->kind != EG_KEY_ANYTHING && key->kind != EG_KEY_STORAGE &&
           kinds[key->kind].fits == NULL;
}

void eg_config_value_clear(void *owner, const EgConfigKey *key)
{
    if (key->kind == EG_KEY_STORAGE)
        g_clear_pointer((EgStorage **)target(owner, key), eg_storage_unref);
    if (kinds[key->kind].fits == NULL)
        return;
    if (eg_config_key_is_list(key))
        g_clear_pointer((char ***)target(owner, key), g_strfreev);
    else
        g_clear_pointer((char **)target(owner, key), g_free);
}
