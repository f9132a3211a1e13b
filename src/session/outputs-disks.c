/* Outputs whose disks are nearly full. */
#include "session/outputs-private.h"

#include "base/error.h"
#include "session/disk.h"

static bool has_room(const EgMember *member, GError **error)
{
    const EgConfig *config = member->owner->params.config;
    EgSinkStats stats;
    if (member->written == NULL)
        return true;
    eg_member_get_stats(member, &stats);
    /* An MP4 is copied when it is finished. */
    bool is_copied = member->format == EG_FORMAT_MP4 && !config->fragmented_mp4;
    return eg_disk_check(member->written, config, is_copied ? stats.size_bytes : 0, error);
}

static bool is_going_on(const EgMember *member)
{
    return member->state == EG_MEMBER_OPEN && !member->is_removing && !member->is_leaving;
}

bool eg_outputs_leave_full_disks(EgOutputs *outputs, GError **error)
{
    eg_loop_assert_owner(outputs->loop);
    guint n_left = 0;
    g_autoptr(GPtrArray) full = g_ptr_array_new();
    g_autoptr(GError) first = NULL;
    for (guint i = 0; i < outputs->members->len; i++) {
        EgMember *member = outputs->members->pdata[i];
        if (!is_going_on(member))
            continue;
        if (has_room(member, first == NULL ? &first : NULL))
            n_left++;
        else
            g_ptr_array_add(full, member);
    }
    if (full->len > 0 && n_left == 0) {
        g_propagate_error(error, g_steal_pointer(&first));
        return false;
    }
    for (guint i = 0; i < full->len; i++) {
        EgMember *member = full->pdata[i];
        eg_member_set_failed(member, first);
        member->is_leaving = true;
        eg_sink_drain(member->sink);
    }
    if (full->len > 0)
        outputs->events.changed(outputs->user);
    return true;
}
