/* Filename templates: the input is a byte that chooses the format, then, each ended by NUL, the
 * template and what strangers choose: room name, room id, identity and track id. */
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "request/filename.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next string of the input, NULL behind its end. */
static const char *take(const char **at, const char *end)
{
    if (*at >= end)
        return NULL;
    const char *text = *at;
    *at += strlen(text) + 1;
    return text;
}

static guint count_elements(const char *path)
{
    guint n = 0;
    g_auto(GStrv) elements = g_strsplit(path, "/", -1);
    for (char **element = elements; *element != NULL; element++)
        n += **element != '\0' && strcmp(*element, ".") != 0;
    return n;
}

/* Facts neither add folders nor leave them, and every name is one that a file can have. */
static void check_path(const char *template, EgFormat format, const char *path)
{
    bool is_made_up = *template == '\0' || g_str_has_suffix(template, "/");
    /* A template that ends in "." names a file of the extension alone. */
    bool is_dot = strcmp(template, ".") == 0 || g_str_has_suffix(template, "/.");
    g_assert_cmpuint(count_elements(path), ==,
                     count_elements(template) + (is_made_up || is_dot ? 1 : 0));
    g_assert_cmpint(*path == '/', ==, *template == '/');
    g_assert_true(g_utf8_validate(path, -1, NULL));
    g_assert_cmpuint(strlen(path), <, PATH_MAX);

    const char *extension = eg_format_info(format)->extension;
    gsize length = strlen(path);
    g_assert_cmpuint(length, >=, strlen(extension));
    g_assert_true(g_ascii_strcasecmp(path + length - strlen(extension), extension) == 0);

    g_auto(GStrv) elements = g_strsplit(*path == '/' ? path + 1 : path, "/", -1);
    for (char **element = elements; *element != NULL; element++) {
        g_assert_cmpuint(strlen(*element), >, 0);
        g_assert_cmpuint(strlen(*element), <=, NAME_MAX);
        g_assert_true(strcmp(*element, ".") != 0 && strcmp(*element, "..") != 0);
        for (const char *c = *element; *c != '\0'; c++)
            g_assert_false(g_ascii_iscntrl(*c));
    }
}

/* What names of segments begin with leaves room for the number, and stays where it was. */
static void check_series(const char *template, const EgFilenameFacts *facts)
{
    g_autofree char *prefix = eg_filename_expand_prefix(template, facts, NULL);
    if (prefix == NULL)
        return;
    g_assert_cmpuint(strlen(prefix), <, PATH_MAX);
    g_assert_cmpint(*prefix == '/', ==, *template == '/');
    const char *name = strrchr(prefix, '/');
    g_assert_cmpuint(strlen(name != NULL ? name + 1 : prefix), <=, NAME_MAX - 20);
    g_auto(GStrv) elements = g_strsplit(prefix, "/", -1);
    for (char **element = elements; *element != NULL; element++)
        g_assert_true(strcmp(*element, "..") != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    EgFormat format = (EgFormat)(EG_FORMAT_NONE + 1 + data[0] % (EG_FORMAT_RAW - 1)); /* of files */
    g_autofree char *text = g_malloc0(size);
    memcpy(text, data + 1, size - 1);
    const char *at = text;
    const char *end = text + size - 1;
    const char *template = take(&at, end);
    if (template == NULL)
        template = "";
    EgFilenameFacts facts = {.wall_ns = G_GINT64_CONSTANT(1706933106078000000)};
    facts.room_name = take(&at, end);
    facts.room_id = take(&at, end);
    facts.publisher_identity = take(&at, end);
    facts.track_id = take(&at, end);

    g_autoptr(GError) error = NULL;
    g_autofree char *path = eg_filename_expand(template, format, &facts, &error);
    g_assert_cmpint(path == NULL, ==, error != NULL);
    g_autofree char *folder = eg_filename_fixed_folder(template);
    g_assert_cmpuint(strlen(folder), >, 0);
    eg_filename_is_known(template, &facts);
    if (path != NULL)
        check_path(template, format, path);
    else
        g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_INVALID_ARGUMENT);
    check_series(template, &facts);
    return 0;
}
