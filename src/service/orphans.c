#include "service/orphans.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "proto/message.h"
#include "report/report.h"
#include "sink/file-name.h"
#include "sink/playlist-file.h"

/* How often it is looked whether files are finished. */
#define LOOK_INTERVAL_NS (200 * EG_NS_PER_MS)

/* Copying the longest recording takes minutes; a process that has hung is not waited for. */
#define LONGEST_WAIT_NS (10 * 60 * EG_NS_PER_S)

/* A playlist comes to be with the first segment; a process that ends has it at once. */
#define FIRST_PLAYLIST_NS (5 * EG_NS_PER_S)

typedef struct {
    Livekit__EgressInfo *info;
    gint64 deadline_ns;
    gint64 playlist_deadline_ns; /* for one that is not there */
} Orphan;

struct _EgOrphans {
    EgLoop *loop;
    const EgLog *log;
    void (*ended)(gpointer user, const Livekit__EgressInfo *info);
    gpointer user;
    GPtrArray *all; /* Orphan */
    EgTimer *look_timer;
};

static void free_orphan(gpointer data)
{
    Orphan *orphan = data;
    livekit__egress_info__free_unpacked(orphan->info, NULL);
    g_free(orphan);
}

/* Who writes a file has it locked, under its unfinished name, until it is complete. */
static bool is_being_written(const char *path)
{
    g_autofree char *recording = eg_file_recording_name(path);
    int fd = open(recording, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return is_locked;
}

static bool is_writing_playlist(const Orphan *orphan, const char *location)
{
    if (*location == '\0')
        return false;
    if (!g_file_test(location, G_FILE_TEST_EXISTS))
        return eg_now_ns() < orphan->playlist_deadline_ns;
    return eg_playlist_is_being_written(location);
}

static bool is_writing(const Orphan *orphan)
{
    const Livekit__EgressInfo *info = orphan->info;
    for (gsize i = 0; i < info->n_file_results; i++) {
        if (*info->file_results[i]->location != '\0' &&
            is_being_written(info->file_results[i]->filename))
            return true;
    }
    for (gsize i = 0; i < info->n_segment_results; i++) {
        if (is_writing_playlist(orphan, info->segment_results[i]->playlist_location))
            return true;
    }
    return false;
}

GError *eg_orphans_error(void)
{
    GError *error = NULL;
    eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE,
                 "egress service died while this egress was running");
    return error;
}

static void end(EgOrphans *orphans, const Livekit__EgressInfo *info)
{
    g_autoptr(GError) error = eg_orphans_error();
    g_autoptr(EgReport) report = eg_report_new_from_info(info, NULL);
    eg_warn(orphans->log, "egress of a service that has died", EG_STR("egressID", info->egress_id));
    eg_report_locate_files(report);
    eg_report_set_ended(report, LIVEKIT__EGRESS_STATUS__EGRESS_FAILED, EG_END_FAILURE, error,
                        eg_wall_now_ns());
    orphans->ended(orphans->user, eg_report_info(report));
}

static void on_look_due(gpointer user)
{
    EgOrphans *orphans = user;
    gint64 now_ns = eg_now_ns();
    for (guint i = orphans->all->len; i > 0; i--) {
        const Orphan *orphan = orphans->all->pdata[i - 1];
        if (is_writing(orphan) && now_ns < orphan->deadline_ns)
            continue;
        end(orphans, orphan->info);
        g_ptr_array_remove_index(orphans->all, i - 1);
    }
    if (orphans->all->len > 0)
        eg_timer_set_after(orphans->look_timer, LOOK_INTERVAL_NS);
}

EgOrphans *eg_orphans_new(EgLoop *loop, const EgLog *log,
                          void (*ended)(gpointer user, const Livekit__EgressInfo *info),
                          gpointer user)
{
    EgOrphans *orphans = g_new0(EgOrphans, 1);
    orphans->loop = loop;
    orphans->log = log;
    orphans->ended = ended;
    orphans->user = user;
    orphans->all = g_ptr_array_new_with_free_func(free_orphan);
    orphans->look_timer = eg_timer_new(loop, on_look_due, orphans);
    return orphans;
}

void eg_orphans_free(EgOrphans *orphans)
{
    if (orphans == NULL)
        return;
    eg_timer_free(orphans->look_timer);
    g_ptr_array_unref(orphans->all);
    g_free(orphans);
}

void eg_orphans_add(EgOrphans *orphans, const Livekit__EgressInfo *info)
{
    Orphan *orphan = g_new(Orphan, 1);
    *orphan = (Orphan){
        .info = (Livekit__EgressInfo *)(gpointer)eg_proto_copy(&info->base),
        .deadline_ns = eg_now_ns() + LONGEST_WAIT_NS,
        .playlist_deadline_ns = eg_now_ns() + FIRST_PLAYLIST_NS,
    };
    g_ptr_array_add(orphans->all, orphan);
    eg_timer_set(orphans->look_timer, 0);
}

guint eg_orphans_count(const EgOrphans *orphans)
{
    return orphans->all->len;
}
