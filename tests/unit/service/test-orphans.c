#include "service/orphans.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "proto/message.h"

typedef struct {
    char *folder;
    char *path;
    char *recording;
    EgLoop *loop;
    EgOrphans *orphans;
    GPtrArray *ended; /* Livekit__EgressInfo, as they were told */
} Fixture;

static void free_info(gpointer info)
{
    livekit__egress_info__free_unpacked(info, NULL);
}

static void on_ended(gpointer user, const Livekit__EgressInfo *info)
{
    Fixture *f = user;
    g_ptr_array_add(f->ended, eg_proto_copy(&info->base));
}

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    f->folder = g_dir_make_tmp("orphans-XXXXXX", NULL);
    f->path = g_build_filename(f->folder, "out.mp4", NULL);
    f->recording = g_build_filename(f->folder, "out.recording.mp4", NULL);
    f->loop = eg_loop_new();
    f->orphans = eg_orphans_new(f->loop, NULL, on_ended, f);
    f->ended = g_ptr_array_new_with_free_func(free_info);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    eg_orphans_free(f->orphans);
    eg_loop_free(f->loop);
    g_ptr_array_unref(f->ended);
    g_unlink(f->path);
    g_unlink(f->recording);
    g_rmdir(f->folder);
    g_free(f->folder);
    g_free(f->path);
    g_free(f->recording);
}

static void add(Fixture *f, const char *egress_id, const char *location)
{
    Livekit__FileInfo file = LIVEKIT__FILE_INFO__INIT;
    Livekit__FileInfo *files[] = {&file};
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    file.filename = f->path;
    file.location = (char *)location;
    file.started_at = 1;
    info.egress_id = (char *)egress_id;
    info.status = LIVEKIT__EGRESS_STATUS__EGRESS_ACTIVE;
    info.n_file_results = G_N_ELEMENTS(files);
    info.file_results = files;
    eg_orphans_add(f->orphans, &info);
}

static void write_file(const char *path, const char *text)
{
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static const Livekit__EgressInfo *wait_ended(Fixture *f, guint n)
{
    while (f->ended->len < n)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpuint(f->ended->len, ==, n);
    const Livekit__EgressInfo *info = f->ended->pdata[n - 1];
    g_assert_cmpint(info->status, ==, LIVEKIT__EGRESS_STATUS__EGRESS_FAILED);
    g_assert_cmpint(info->error_code, ==, 500);
    g_assert_cmpint(info->ended_at, >, 1);
    g_assert_cmpint(info->file_results[0]->ended_at, ==,
                    info->file_results[0]->started_at != 0 ? info->ended_at : 0);
    g_assert_cmpint(info->result_case, ==, LIVEKIT__EGRESS_INFO__RESULT_FILE);
    g_assert_cmpstr(info->file->location, ==, info->file_results[0]->location);
    return info;
}

/* Its process is gone too: what it had written is under the unfinished name. A finished file of an
 * earlier recording is not its own. */
static void test_unfinished(Fixture *f, gconstpointer data)
{
    (void)data;
    write_file(f->path, "earlier");
    write_file(f->recording, "begun");
    add(f, "EG_a", f->path);
    const Livekit__FileInfo *file = wait_ended(f, 1)->file_results[0];
    g_assert_cmpstr(file->filename, ==, f->path);
    g_assert_cmpstr(file->location, ==, f->recording);
    g_assert_cmpint(file->size, ==, strlen("begun"));
    g_assert_cmpuint(eg_orphans_count(f->orphans), ==, 0);
}

static void test_finished(Fixture *f, gconstpointer data)
{
    (void)data;
    write_file(f->path, "complete");
    add(f, "EG_a", f->path);
    const Livekit__FileInfo *file = wait_ended(f, 1)->file_results[0];
    g_assert_cmpstr(file->location, ==, f->path);
    g_assert_cmpint(file->size, ==, strlen("complete"));
}

/* There is nothing, whether it had begun or not. */
static void test_nothing(Fixture *f, gconstpointer data)
{
    (void)data;
    add(f, "EG_a", f->path);
    g_assert_cmpstr(wait_ended(f, 1)->file_results[0]->location, ==, "");
    add(f, "EG_b", "");
    g_assert_cmpstr(wait_ended(f, 2)->file_results[0]->location, ==, "");
}

/* Who still writes is waited for; others do not wait with it. */
static void test_still_writing(Fixture *f, gconstpointer data)
{
    (void)data;
    write_file(f->recording, "begun");
    int fd = open(f->recording, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(flock(fd, LOCK_EX | LOCK_NB), ==, 0);
    add(f, "EG_writes", f->path);
    add(f, "EG_other", "");
    g_assert_cmpstr(wait_ended(f, 1)->egress_id, ==, "EG_other");
    g_assert_cmpuint(eg_orphans_count(f->orphans), ==, 1);

    g_assert_cmpint(g_rename(f->recording, f->path), ==, 0);
    close(fd);
    const Livekit__EgressInfo *info = wait_ended(f, 2);
    g_assert_cmpstr(info->egress_id, ==, "EG_writes");
    g_assert_cmpstr(info->file_results[0]->location, ==, f->path);
    g_assert_cmpuint(eg_orphans_count(f->orphans), ==, 0);
}

/* Segments without a file: their playlist says whether somebody still writes. */
static void test_segments(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *path = g_build_filename(f->folder, "x.m3u8", NULL);
    write_file(path, "#EXTM3U\n#EXTINF:2.000,\nx_00000.ts\n");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(flock(fd, LOCK_EX | LOCK_NB), ==, 0);
    Livekit__SegmentsInfo segments = LIVEKIT__SEGMENTS_INFO__INIT;
    Livekit__SegmentsInfo *list[] = {&segments};
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    segments.playlist_name = segments.playlist_location = path;
    info.egress_id = (char *)"EG_a";
    info.n_segment_results = G_N_ELEMENTS(list);
    info.segment_results = list;
    eg_orphans_add(f->orphans, &info);
    add(f, "EG_other", "");
    wait_ended(f, 1);
    g_assert_cmpuint(eg_orphans_count(f->orphans), ==, 1);
    close(fd);
    while (f->ended->len < 2)
        eg_loop_iterate(f->loop, true);
    const Livekit__EgressInfo *ended = f->ended->pdata[1];
    g_assert_cmpint(ended->segment_results[0]->segment_count, ==, 1);
    g_assert_cmpint(ended->segment_results[0]->duration, ==, 2000000000);
    g_assert_cmpint(ended->result_case, ==, LIVEKIT__EGRESS_INFO__RESULT_SEGMENTS);
    g_assert_cmpint(ended->segments->segment_count, ==, 1);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_true(g_str_has_suffix(text, "x_00000.ts\n#EXT-X-ENDLIST\n"));
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add(name, Fixture, NULL, set_up, function, tear_down)
    ADD("/orphans/unfinished", test_unfinished);
    ADD("/orphans/finished", test_finished);
    ADD("/orphans/nothing", test_nothing);
    ADD("/orphans/still-writing", test_still_writing);
    ADD("/orphans/segments", test_segments);
#undef ADD
    return g_test_run();
}
