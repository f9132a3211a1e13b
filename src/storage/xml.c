#include "storage/xml.h"

#include <stdbool.h>
#include <string.h>

/* Azure puts it in front. */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

typedef struct {
    const char *wanted;
    GString *path; /* of the element that is open: "/Error/Code" */
    GString *text; /* NULL: not found yet */
    bool is_found; /* to its end */
} Search;

static bool is_here(const Search *search)
{
    return *search->path->str == '/' && strcmp(search->path->str + 1, search->wanted) == 0;
}

static const char *local_name(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon != NULL ? colon + 1 : name;
}

static void enter(GMarkupParseContext *context, const char *name, const char **names,
                  const char **values, gpointer user, GError **error)
{
    (void)context;
    (void)names;
    (void)values;
    (void)error;
    Search *search = user;
    g_string_append_c(search->path, '/');
    g_string_append(search->path, local_name(name));
    if (is_here(search) && search->text == NULL)
        search->text = g_string_new(NULL);
}

static void leave(GMarkupParseContext *context, const char *name, gpointer user, GError **error)
{
    (void)context;
    (void)error;
    Search *search = user;
    if (is_here(search))
        search->is_found = true;
    g_string_truncate(search->path, search->path->len - strlen(local_name(name)) - 1);
}

static void add_text(GMarkupParseContext *context, const char *text, gsize length, gpointer user,
                     GError **error)
{
    (void)context;
    (void)error;
    Search *search = user;
    if (is_here(search) && !search->is_found)
        g_string_append_len(search->text, text, (gssize)length);
}

static bool parse(Search *search, const char *text, gsize length)
{
    static const GMarkupParser parser = {
        .start_element = enter,
        .end_element = leave,
        .text = add_text,
    };
    g_autoptr(GMarkupParseContext) context =
        g_markup_parse_context_new(&parser, G_MARKUP_TREAT_CDATA_AS_TEXT, search, NULL);
    return g_markup_parse_context_parse(context, text, (gssize)length, NULL) &&
           g_markup_parse_context_end_parse(context, NULL);
}

char *eg_xml_find(GBytes *body, const char *path)
{
    gsize length = 0;
    const char *text = body != NULL ? g_bytes_get_data(body, &length) : NULL;
    const gsize mark_length = strlen(BYTE_ORDER_MARK);
    if (length >= mark_length && memcmp(text, BYTE_ORDER_MARK, mark_length) == 0) {
        text += mark_length;
        length -= mark_length;
    }
    if (length == 0)
        return NULL;
    Search search = {.wanted = path, .path = g_string_new(NULL)};
    const bool is_found = parse(&search, text, length) && search.is_found;
    g_string_free(search.path, TRUE);
    if (search.text == NULL)
        return NULL;
    char *found = g_string_free(search.text, !is_found);
    return found != NULL ? g_strstrip(found) : NULL;
}

void eg_xml_set_error(GError **error, const char *doing, const EgHttpReply *reply,
                      const char *const *retryable)
{
    g_autofree char *code = eg_xml_find(reply->body, "Error/Code");
    g_autofree char *message = eg_xml_find(reply->body, "Error/Message");
    /* What comes in further lines is for the store's own people. */
    if (message != NULL)
        message[strcspn(message, "\r\n")] = '\0';
    /* A success that is none comes from something between us and the store. */
    const bool is_retryable = reply->status < 300 || eg_http_is_retryable(reply->status) ||
                              (code != NULL && g_strv_contains(retryable, code));
    eg_http_set_error(error, doing, reply, code, message, is_retryable);
}
