#include "media/gst-util.h"

#include <malloc.h>

#include "base/error.h"

/* Each thread has a heap of its own by glibc's choice. Buffers are made by one thread and freed by
 * another, so that these heaps are never empty again, and grow by tens of MB in an hour; all
 * threads together allocate far too little for one heap to be in anybody's way. */
static void share_heap(void)
{
    if (g_getenv("MALLOC_ARENA_MAX") == NULL)
        mallopt(M_ARENA_MAX, 1);
}

bool eg_gst_init(GError **error)
{
    share_heap();
    g_autoptr(GError) failure = NULL;
    if (gst_init_check(NULL, NULL, &failure))
        return true;
    eg_gst_error_translate(error, failure, "start GStreamer");
    return false;
}

static EgErrorCode code_of_resource_error(int code)
{
    switch (code) {
    case GST_RESOURCE_ERROR_NO_SPACE_LEFT:
        return EG_ERROR_RESOURCE_EXHAUSTED;
    case GST_RESOURCE_ERROR_NOT_FOUND:
        return EG_ERROR_NOT_FOUND;
    case GST_RESOURCE_ERROR_NOT_AUTHORIZED:
        return EG_ERROR_PERMISSION_DENIED;
    case GST_RESOURCE_ERROR_BUSY:
    case GST_RESOURCE_ERROR_OPEN_READ:
    case GST_RESOURCE_ERROR_OPEN_WRITE:
    case GST_RESOURCE_ERROR_OPEN_READ_WRITE:
    case GST_RESOURCE_ERROR_CLOSE:
    case GST_RESOURCE_ERROR_READ:
    case GST_RESOURCE_ERROR_WRITE:
    case GST_RESOURCE_ERROR_SEEK:
    case GST_RESOURCE_ERROR_SYNC:
        return EG_ERROR_UNAVAILABLE;
    default:
        return EG_ERROR_INTERNAL;
    }
}

void eg_gst_error_translate(GError **error, const GError *from, const char *doing)
{
    EgErrorCode code = EG_ERROR_INTERNAL;
    EgBlame blame = EG_BLAME_SERVICE;
    const char *message = from == NULL ? "unknown error" : from->message;

    if (from != NULL && from->domain == GST_RESOURCE_ERROR) {
        code = code_of_resource_error(from->code);
        blame = code == EG_ERROR_INTERNAL ? EG_BLAME_SERVICE : EG_BLAME_DESTINATION;
    } else if (from != NULL &&
               (g_error_matches(from, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN) ||
                g_error_matches(from, GST_PARSE_ERROR, GST_PARSE_ERROR_NO_SUCH_ELEMENT))) {
        code = EG_ERROR_FAILED_PRECONDITION;
    }
    eg_error_set(error, code, blame, "cannot %s: %s", doing, message);
}

GstElement *eg_gst_bin_new(const char *description, const char *doing, GError **error)
{
    if (!eg_gst_init(error))
        return NULL;
    g_autoptr(GError) failure = NULL;
    g_autoptr(GstElement) bin = gst_parse_bin_from_description_full(
        description, TRUE, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &failure);
    if (failure == NULL && bin != NULL)
        return g_steal_pointer(&bin);
    if (bin != NULL)
        gst_object_ref_sink(bin);
    eg_gst_error_translate(error, failure, doing);
    return NULL;
}
