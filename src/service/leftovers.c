#include "service/leftovers.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "bus/channel.h"
#include "proto/message.h"
#include "report/report.h"
#include "service/fork-server.h"
#include "service/orphans.h"
#include "storage/spool.h"

/* How often it is looked whether a process has gone. */
#define LOOK_INTERVAL_NS (200 * EG_NS_PER_MS)

/* A process that dies over a folder, again and again, will not do any better. */
#define MAX_ATTEMPTS   3
#define RETRY_DELAY_NS EG_NS_PER_S

typedef struct {
    EgLeftovers *owner;
    char *egress_id;
    char *folder;
    Livekit__EgressInfo *info; /* NULL: nothing is to be reported */
    EgEndReason reason;
    GError *error;
    EgChannel *channel;         /* of its process; NULL: there is none */
    Livekit__EgressInfo *final; /* what that has said */
    bool is_resumed;
    guint attempts;
    gint64 next_ns; /* not before */
} Leftover;

struct _EgLeftovers {
    EgLoop *loop;
    EgLeftoversParams params;
    GPtrArray *all; /* Leftover */
    EgTimer *look_timer;
};

static void free_leftover(gpointer data)
{
    Leftover *leftover = data;
    eg_channel_free(leftover->channel);
    if (leftover->info != NULL)
        livekit__egress_info__free_unpacked(leftover->info, NULL);
    if (leftover->final != NULL)
        livekit__egress_info__free_unpacked(leftover->final, NULL);
    g_clear_error(&leftover->error);
    g_free(leftover->egress_id);
    g_free(leftover->folder);
    g_free(leftover);
}

static Livekit__EgressInfo *copy_info(const Livekit__EgressInfo *info)
{
    return (Livekit__EgressInfo *)(gpointer)eg_proto_copy(&info->base);
}

/* The end of one. */

/* Files on this machine are where they are; what is in a store, the folder knows. */
static EgReport *make_ending(const Leftover *leftover)
{
    EgReport *report = eg_report_new_from_info(leftover->info, NULL);
    eg_report_locate_files(report);
    eg_report_set_ended(report, LIVEKIT__EGRESS_STATUS__EGRESS_FAILED, leftover->reason,
                        leftover->error, eg_wall_now_ns());
    return report;
}

/* The report is kept by others before the folder goes. */
static void end(EgLeftovers *leftovers, Leftover *leftover)
{
    const EgLeftoversParams *params = &leftovers->params;
    if (leftover->final != NULL) {
        params->ended(params->user, leftover->final);
    } else if (leftover->info != NULL) {
        g_autoptr(EgReport) ending = make_ending(leftover);
        params->ended(params->user, eg_report_info(ending));
    }
    if (leftover->is_resumed)
        eg_spool_remove_if_empty(leftover->folder);
    g_ptr_array_remove(leftovers->all, leftover);
}

/* From its process. */

static void on_message(gpointer user, const ProtobufCMessage *message)
{
    Leftover *leftover = user;
    const Egress__Event *event = (const Egress__Event *)(gconstpointer)message;
    if (event->event_case == EGRESS__EVENT__EVENT_RESUMED)
        leftover->is_resumed = true;
    if (event->event_case == EGRESS__EVENT__EVENT_UPLOAD)
        leftover->owner->params.uploaded(leftover->owner->params.user, event->upload);
    if (event->event_case == EGRESS__EVENT__EVENT_INFO && leftover->info != NULL &&
        leftover->final == NULL && strcmp(event->info->egress_id, leftover->egress_id) == 0)
        leftover->final = copy_info(event->info);
}

/* When the process has let go of the folder, it is looked again. */
static void on_closed(gpointer user)
{
    Leftover *leftover = user;
    EgLeftovers *leftovers = leftover->owner;
    g_clear_pointer(&leftover->channel, eg_channel_free);
    leftover->next_ns = leftover->is_resumed ? 0 : eg_now_ns() + RETRY_DELAY_NS;
    eg_timer_set(leftovers->look_timer, 0);
}

static const EgChannelEvents channel_events = {.message = on_message, .closed = on_closed};

static void send_resume(const EgLeftovers *leftovers, const Leftover *leftover)
{
    const EgLeftoversParams *params = &leftovers->params;
    g_autoptr(EgReport) ending = leftover->info != NULL ? make_ending(leftover) : NULL;
    g_autoptr(GPtrArray) environment = eg_fork_server_kept(params->environment);
    Egress__Resume resume = EGRESS__RESUME__INIT;
    Egress__Command command = EGRESS__COMMAND__INIT;
    resume.folder = leftover->folder;
    resume.config_body = (char *)params->config_body;
    resume.n_environment = environment->len;
    resume.environment = (char **)environment->pdata;
    if (ending != NULL)
        resume.ending = (Livekit__EgressInfo *)eg_report_info(ending);
    command.command_case = EGRESS__COMMAND__COMMAND_RESUME;
    command.resume = &resume;
    eg_channel_send(leftover->channel, &command.base);
}

static void start(EgLeftovers *leftovers, Leftover *leftover)
{
    const EgLeftoversParams *params = &leftovers->params;
    g_autoptr(GError) error = NULL;
    leftover->attempts++;
    int fd = params->start(params->user, leftover->egress_id, &error);
    if (fd < 0) {
        eg_warn(params->log, "no process for left-overs", EG_STR("folder", leftover->folder),
                EG_STR("error", error->message));
        leftover->next_ns = eg_now_ns() + RETRY_DELAY_NS;
        return;
    }
    eg_info(params->log, "left-overs are being uploaded", EG_STR("egressID", leftover->egress_id),
            EG_STR("folder", leftover->folder));
    leftover->channel =
        eg_channel_new(leftovers->loop, fd, &egress__event__descriptor, &channel_events, leftover);
    send_resume(leftovers, leftover);
}

/* What is to be done, from the loop. */

static void look_at(EgLeftovers *leftovers, Leftover *leftover)
{
    if (leftover->channel != NULL || eg_now_ns() < leftover->next_ns ||
        eg_spool_is_in_use(leftover->folder))
        return;
    if (leftover->is_resumed || leftover->attempts >= MAX_ATTEMPTS ||
        !eg_spool_exists(leftover->folder))
        end(leftovers, leftover);
    else
        start(leftovers, leftover);
}

static void on_look_due(gpointer user)
{
    EgLeftovers *leftovers = user;
    for (guint i = leftovers->all->len; i > 0; i--)
        look_at(leftovers, leftovers->all->pdata[i - 1]);
    if (leftovers->all->len > 0)
        eg_timer_set_after(leftovers->look_timer, LOOK_INTERVAL_NS);
}

EgLeftovers *eg_leftovers_new(EgLoop *loop, const EgLeftoversParams *params)
{
    EgLeftovers *leftovers = g_new0(EgLeftovers, 1);
    leftovers->loop = loop;
    leftovers->params = *params;
    leftovers->all = g_ptr_array_new_with_free_func(free_leftover);
    leftovers->look_timer = eg_timer_new(loop, on_look_due, leftovers);
    return leftovers;
}

void eg_leftovers_free(EgLeftovers *leftovers)
{
    if (leftovers == NULL)
        return;
    eg_timer_free(leftovers->look_timer);
    g_ptr_array_unref(leftovers->all);
    g_free(leftovers);
}

static char *folder_of(const EgLeftovers *leftovers, const char *egress_id)
{
    return eg_spool_folder_of(leftovers->params.root, egress_id);
}

bool eg_leftovers_has(const EgLeftovers *leftovers, const char *egress_id)
{
    g_autofree char *folder = folder_of(leftovers, egress_id);
    return eg_spool_exists(folder);
}

static Leftover *add(EgLeftovers *leftovers, const char *egress_id)
{
    Leftover *leftover = g_new0(Leftover, 1);
    leftover->owner = leftovers;
    leftover->egress_id = g_strdup(egress_id);
    leftover->folder = folder_of(leftovers, egress_id);
    g_ptr_array_add(leftovers->all, leftover);
    eg_timer_set(leftovers->look_timer, 0);
    return leftover;
}

static bool is_added(const EgLeftovers *leftovers, const char *egress_id)
{
    for (guint i = 0; i < leftovers->all->len; i++) {
        const Leftover *leftover = leftovers->all->pdata[i];
        if (strcmp(leftover->egress_id, egress_id) == 0)
            return true;
    }
    return false;
}

void eg_leftovers_add(EgLeftovers *leftovers, const char *egress_id,
                      const EgLeftoversEnding *ending)
{
    eg_loop_assert_owner(leftovers->loop);
    Leftover *leftover = add(leftovers, egress_id);
    leftover->info = copy_info(ending->info);
    leftover->reason = ending->reason;
    leftover->error = g_error_copy(ending->error);
}

void eg_leftovers_clean(EgLeftovers *leftovers, const char *egress_id)
{
    eg_loop_assert_owner(leftovers->loop);
    g_autofree char *folder = folder_of(leftovers, egress_id);
    if (!eg_spool_exists(folder) || is_added(leftovers, egress_id))
        return;
    g_autoptr(EgSpoolPast) past = eg_spool_read(folder);
    if (!eg_spool_has_files(folder))
        eg_spool_remove_if_empty(folder);
    else if (!past->has_given_up)
        add(leftovers, egress_id);
}

void eg_leftovers_drop(EgLeftovers *leftovers, const char *egress_id)
{
    eg_loop_assert_owner(leftovers->loop);
    g_autofree char *folder = folder_of(leftovers, egress_id);
    if (eg_spool_exists(folder) && !eg_spool_is_in_use(folder))
        eg_spool_remove(folder);
}

/* At the start. */

/* Whose owner is dead, and whose state nobody has: whoever adopts that, adopts the folder. */
static bool take_over(const EgLeftovers *leftovers, const char *folder, const char *egress_id)
{
    g_autofree char *owner = eg_spool_owner(folder);
    g_autoptr(GError) error = NULL;
    if (owner != NULL && strcmp(owner, leftovers->params.owner) == 0)
        return true;
    if (owner != NULL && *owner != '\0' &&
        (eg_state_is_alive(owner) || eg_state_has(owner, egress_id)))
        return false;
    if (eg_spool_set_owner(folder, leftovers->params.owner, &error))
        return true;
    eg_warn(leftovers->params.log, "left-overs cannot be taken over", EG_STR("folder", folder),
            EG_STR("error", error->message));
    return false;
}

/* Of an egress of which there is no state: its final report was delivered, if its folder knows it;
 * else nobody knows but the folder that there was one. */
static void add_found(EgLeftovers *leftovers, const char *folder, const char *egress_id,
                      const char *owner)
{
    g_autoptr(EgSpoolPast) past = eg_spool_read(folder);
    Leftover *leftover = add(leftovers, egress_id);
    /* What a command line has left, it has reported. */
    if (past->final != NULL || past->info == NULL || *owner == '\0')
        return;
    leftover->info = copy_info(past->info);
    leftover->error = eg_orphans_error();
    leftover->reason = EG_END_FAILURE;
}

void eg_leftovers_find(EgLeftovers *leftovers, const EgState *state)
{
    g_autoptr(GPtrArray) folders = eg_spool_list(leftovers->params.root);
    for (guint i = 0; i < folders->len; i++) {
        const char *folder = folders->pdata[i];
        g_autofree char *egress_id = g_path_get_basename(folder);
        g_autofree char *owner = eg_spool_owner(folder);
        if (!take_over(leftovers, folder, egress_id) || is_added(leftovers, egress_id))
            continue;
        if (eg_state_has(eg_state_folder(state), egress_id))
            add(leftovers, egress_id);
        else
            add_found(leftovers, folder, egress_id, owner != NULL ? owner : "");
    }
}

guint eg_leftovers_count(const EgLeftovers *leftovers)
{
    guint n = 0;
    for (guint i = 0; i < leftovers->all->len; i++)
        n += ((const Leftover *)leftovers->all->pdata[i])->info != NULL;
    return n;
}
