#include "service/archive.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "proto/message.h"

/* How long livekit-server remembers an egress that has ended. */
#define KEEP_NS (24 * 3600 * EG_NS_PER_S)

#define SWEEP_INTERVAL_NS (30 * 60 * EG_NS_PER_S)

#define PAGE_ITEMS 1000

struct _EgArchive {
    EgState *state;
    EgTimer *sweep_timer;
    GPtrArray *infos; /* Livekit__EgressInfo, oldest first */
};

static void free_info(gpointer info)
{
    livekit__egress_info__free_unpacked(info, NULL);
}

static bool is_ended(const Livekit__EgressInfo *info)
{
    return info->status >= LIVEKIT__EGRESS_STATUS__EGRESS_COMPLETE;
}

static void sweep(EgArchive *archive)
{
    gint64 oldest_ns = eg_wall_now_ns() - KEEP_NS;
    for (guint i = archive->infos->len; i > 0; i--) {
        const Livekit__EgressInfo *info = archive->infos->pdata[i - 1];
        if (!is_ended(info) || info->ended_at >= oldest_ns)
            continue;
        eg_state_remove(archive->state, info->egress_id);
        g_ptr_array_remove_index(archive->infos, i - 1);
    }
}

static void on_sweep_due(gpointer user)
{
    EgArchive *archive = user;
    sweep(archive);
    eg_timer_set_after(archive->sweep_timer, SWEEP_INTERVAL_NS);
}

static gint compare_start(gconstpointer a, gconstpointer b)
{
    const Livekit__EgressInfo *left = *(Livekit__EgressInfo *const *)a;
    const Livekit__EgressInfo *right = *(Livekit__EgressInfo *const *)b;
    return (left->started_at > right->started_at) - (left->started_at < right->started_at);
}

static void take(gpointer user, const Livekit__EgressInfo *info)
{
    EgArchive *archive = user;
    g_ptr_array_add(archive->infos, eg_proto_copy(&info->base));
}

EgArchive *eg_archive_new(EgLoop *loop, const char *root, GError **error)
{
    g_autofree char *folder = g_build_filename(root, "archive", NULL);
    EgState *state = eg_state_new(folder, error);
    if (state == NULL)
        return NULL;
    EgArchive *archive = g_new0(EgArchive, 1);
    archive->state = state;
    archive->infos = g_ptr_array_new_with_free_func(free_info);
    archive->sweep_timer = eg_timer_new(loop, on_sweep_due, archive);
    eg_state_adopt(state, take, archive);
    g_ptr_array_sort(archive->infos, compare_start);
    eg_timer_set(archive->sweep_timer, 0);
    return archive;
}

void eg_archive_free(EgArchive *archive)
{
    if (archive == NULL)
        return;
    eg_timer_free(archive->sweep_timer);
    g_ptr_array_unref(archive->infos);
    eg_state_free(archive->state);
    g_free(archive);
}

static bool find_index(const EgArchive *archive, const char *egress_id, guint *index)
{
    for (guint i = archive->infos->len; i > 0; i--) {
        const Livekit__EgressInfo *info = archive->infos->pdata[i - 1];
        if (strcmp(info->egress_id, egress_id) == 0) {
            *index = i - 1;
            return true;
        }
    }
    return false;
}

bool eg_archive_put(EgArchive *archive, const Livekit__EgressInfo *info, GError **error)
{
    guint index;
    Livekit__EgressInfo *copy = (Livekit__EgressInfo *)(gpointer)eg_proto_copy(&info->base);
    if (find_index(archive, info->egress_id, &index)) {
        free_info(archive->infos->pdata[index]);
        archive->infos->pdata[index] = copy;
    } else {
        g_ptr_array_add(archive->infos, copy);
    }
    return eg_state_put(archive->state, info, error);
}

const Livekit__EgressInfo *eg_archive_find(const EgArchive *archive, const char *egress_id)
{
    guint index;
    return find_index(archive, egress_id, &index) ? archive->infos->pdata[index] : NULL;
}

static bool is_asked_for(const Livekit__EgressInfo *info, const Livekit__ListEgressRequest *request)
{
    return (*request->room_name == '\0' || strcmp(info->room_name, request->room_name) == 0) &&
           (*request->egress_id == '\0' || strcmp(info->egress_id, request->egress_id) == 0) &&
           (!request->active || !is_ended(info));
}

/* The token is the id of the last egress of the page before. */
static bool find_page(const EgArchive *archive, const Livekit__ListEgressRequest *request,
                      guint *end, GError **error)
{
    *end = archive->infos->len;
    if (request->page_token == NULL || *request->page_token->token == '\0')
        return true;
    if (find_index(archive, request->page_token->token, end))
        return true;
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                 "page_token: it is none that this service has given");
    return false;
}

Livekit__ListEgressResponse *
eg_archive_list(const EgArchive *archive, const Livekit__ListEgressRequest *request, GError **error)
{
    guint end;
    if (*request->egress_id != '\0' && eg_archive_find(archive, request->egress_id) == NULL) {
        eg_error_set(error, EG_ERROR_NOT_FOUND, EG_BLAME_REQUEST, "egress does not exist");
        return NULL;
    }
    if (!find_page(archive, request, &end, error))
        return NULL;
    g_autoptr(GPtrArray) items = g_ptr_array_new();
    for (; end > 0 && items->len < PAGE_ITEMS; end--) {
        const Livekit__EgressInfo *info = archive->infos->pdata[end - 1];
        if (is_asked_for(info, request))
            g_ptr_array_add(items, (gpointer)info);
    }
    Livekit__ListEgressResponse response = LIVEKIT__LIST_EGRESS_RESPONSE__INIT;
    Livekit__TokenPagination next = LIVEKIT__TOKEN_PAGINATION__INIT;
    response.n_items = items->len;
    response.items = (Livekit__EgressInfo **)items->pdata;
    if (end > 0 && items->len == PAGE_ITEMS) {
        next.token = response.items[items->len - 1]->egress_id;
        response.next_page_token = &next;
    }
    return (Livekit__ListEgressResponse *)(gpointer)eg_proto_copy(&response.base);
}
