/* Spool folders that a process has left: each gets another one, and each egress one final report.
 */
#include "service/leftovers.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/locked-folder.h"
#include "base/time.h"
#include "bus/channel.h"
#include "egress_ipc.pb-c.h"
#include "proto/message.h"
#include "storage/spool.h"

typedef struct {
    char *folder;
    char *root;
    EgLoop *loop;
    EgState *state;
    EgLeftovers *leftovers;
    GPtrArray *ended;   /* Livekit__EgressInfo */
    EgChannel *process; /* the other side */
    guint n_started;
    bool has_order;
    bool has_ending; /* the order says how it ends */
    bool dies;       /* each process, at once */
} Fixture;

static void on_ended(gpointer user, const Livekit__EgressInfo *info)
{
    Fixture *f = user;
    g_ptr_array_add(f->ended, eg_proto_copy(&info->base));
}

static void on_uploaded(gpointer user, const Egress__Upload *upload)
{
    (void)user;
    (void)upload;
}

static void on_order(gpointer user, const ProtobufCMessage *message)
{
    Fixture *f = user;
    const Egress__Command *command = (const Egress__Command *)(gconstpointer)message;
    g_assert_cmpint(command->command_case, ==, EGRESS__COMMAND__COMMAND_RESUME);
    f->has_order = true;
    f->has_ending = command->resume->ending != NULL;
}

static void on_closed(gpointer user)
{
    (void)user;
}

static int start(gpointer user, const char *egress_id, GError **error)
{
    static const EgChannelEvents events = {.message = on_order, .closed = on_closed};
    Fixture *f = user;
    int fds[2];
    (void)error;
    g_assert_cmpstr(egress_id, ==, "EG_1");
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    f->n_started++;
    if (f->dies)
        close(fds[1]);
    else
        f->process = eg_channel_new(f->loop, fds[1], &egress__command__descriptor, &events, f);
    return fds[0];
}

static void free_info(gpointer info)
{
    eg_proto_free(info);
}

static void set_up(Fixture *f, gconstpointer data)
{
    static const char *const environment[] = {NULL};
    (void)data;
    f->folder = g_dir_make_tmp("leftovers-XXXXXX", NULL);
    f->root = g_build_filename(f->folder, "spool", NULL);
    f->loop = eg_loop_new();
    g_autofree char *state = g_build_filename(f->folder, "state", NULL);
    f->state = eg_state_new(state, NULL);
    f->ended = g_ptr_array_new_with_free_func(free_info);
    const EgLeftoversParams params = {
        .root = f->root,
        .owner = eg_state_folder(f->state),
        .config_body = "",
        .environment = environment,
        .start = start,
        .ended = on_ended,
        .uploaded = on_uploaded,
        .user = f,
    };
    f->leftovers = eg_leftovers_new(f->loop, &params);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    eg_leftovers_free(f->leftovers);
    eg_channel_free(f->process);
    eg_state_free(f->state);
    eg_loop_free(f->loop);
    g_ptr_array_unref(f->ended);
    eg_folder_remove(f->folder);
    g_free(f->folder);
    g_free(f->root);
}

static EgSpool *make_spool(const Fixture *f, const char *owner)
{
    Rpc__StartEgressRequest request = RPC__START_EGRESS_REQUEST__INIT;
    request.egress_id = (char *)"EG_1";
    const EgSpoolParams params = {.root = f->root, .owner = owner, .request = &request};
    EgSpool *spool = eg_spool_new(&params, NULL);
    g_autofree char *file = eg_spool_path(spool, 0, "out.mp4");
    g_autofree char *folder = g_path_get_dirname(file);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_true(g_file_set_contents(file, "video", -1, NULL));
    return spool;
}

static void note(EgSpool *spool, Egress__SpoolRecord__RecordCase kind, Livekit__EgressStatus status)
{
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    Egress__SpoolRecord record = EGRESS__SPOOL_RECORD__INIT;
    info.egress_id = (char *)"EG_1";
    info.status = status;
    record.record_case = kind;
    record.info = &info;
    g_assert_true(eg_spool_note(spool, &record, false, NULL));
}

static void add(Fixture *f)
{
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    g_autoptr(GError) error = NULL;
    info.egress_id = (char *)"EG_1";
    info.status = LIVEKIT__EGRESS_STATUS__EGRESS_ACTIVE;
    eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "killed");
    const EgLeftoversEnding ending = {.info = &info, .reason = EG_END_FAILURE, .error = error};
    eg_leftovers_add(f->leftovers, "EG_1", &ending);
}

static void wait_order(Fixture *f)
{
    while (!f->has_order)
        eg_loop_iterate(f->loop, true);
}

/* What the process does: uploads, says how it was, and ends. */
static void finish(Fixture *f, bool has_info)
{
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    Egress__Resumed resumed = EGRESS__RESUMED__INIT;
    Egress__Event event = EGRESS__EVENT__INIT;
    g_autofree char *file = g_build_filename(f->root, "EG_1", "0", "out.mp4", NULL);
    g_assert_cmpint(g_unlink(file), ==, 0);
    info.egress_id = (char *)"EG_1";
    info.status = LIVEKIT__EGRESS_STATUS__EGRESS_COMPLETE;
    event.event_case = EGRESS__EVENT__EVENT_INFO;
    event.info = &info;
    if (has_info)
        eg_channel_send(f->process, &event.base);
    event.event_case = EGRESS__EVENT__EVENT_RESUMED;
    event.resumed = &resumed;
    eg_channel_send(f->process, &event.base);
    eg_channel_flush(f->process);
    g_clear_pointer(&f->process, eg_channel_free);
}

static void wait_gone(Fixture *f)
{
    while (eg_leftovers_has(f->leftovers, "EG_1"))
        eg_loop_iterate(f->loop, true);
}

/* While somebody works on it, nobody else does; then a process says how it has ended. */
static void test_resumed(Fixture *f, gconstpointer data)
{
    (void)data;
    EgSpool *spool = make_spool(f, eg_state_folder(f->state));
    add(f);
    g_assert_cmpuint(eg_leftovers_count(f->leftovers), ==, 1);
    gint64 until_ns = eg_now_ns() + 300 * EG_NS_PER_MS;
    while (eg_now_ns() < until_ns)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpuint(f->n_started, ==, 0);
    eg_spool_free(spool);
    wait_order(f);
    g_assert_true(f->has_ending);
    finish(f, true);
    wait_gone(f);
    g_assert_cmpuint(f->ended->len, ==, 1);
    const Livekit__EgressInfo *info = f->ended->pdata[0];
    g_assert_cmpint(info->status, ==, LIVEKIT__EGRESS_STATUS__EGRESS_COMPLETE);
    g_assert_cmpuint(eg_leftovers_count(f->leftovers), ==, 0);
}

/* Processes that die over it: the egress ends all the same, and the folder stays. */
static void test_hopeless(Fixture *f, gconstpointer data)
{
    (void)data;
    eg_spool_free(make_spool(f, eg_state_folder(f->state)));
    f->dies = true;
    add(f);
    while (f->ended->len == 0)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpuint(f->n_started, ==, 3);
    const Livekit__EgressInfo *info = f->ended->pdata[0];
    g_assert_cmpint(info->status, ==, LIVEKIT__EGRESS_STATUS__EGRESS_FAILED);
    g_assert_cmpstr(info->error, ==, "killed");
    g_assert_true(eg_leftovers_has(f->leftovers, "EG_1"));
}

/* Of one that is another's now nothing is kept, unless a process still has it. */
static void test_drop(Fixture *f, gconstpointer data)
{
    (void)data;
    EgSpool *spool = make_spool(f, eg_state_folder(f->state));
    eg_leftovers_drop(f->leftovers, "EG_1");
    g_assert_true(eg_leftovers_has(f->leftovers, "EG_1"));
    eg_spool_free(spool);
    eg_leftovers_drop(f->leftovers, "EG_1");
    g_assert_false(eg_leftovers_has(f->leftovers, "EG_1"));
    eg_leftovers_drop(f->leftovers, "EG_1");
}

/* What was reported is uploaded, and no more is heard of it. */
static void test_found_reported(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(EgSpool) spool = make_spool(f, eg_state_folder(f->state));
    note(spool, EGRESS__SPOOL_RECORD__RECORD_FINAL, LIVEKIT__EGRESS_STATUS__EGRESS_FAILED);
    g_clear_pointer(&spool, eg_spool_free);
    eg_leftovers_find(f->leftovers, f->state);
    g_assert_cmpuint(eg_leftovers_count(f->leftovers), ==, 0);
    wait_order(f);
    g_assert_false(f->has_ending);
    finish(f, false);
    wait_gone(f);
    g_assert_cmpuint(f->ended->len, ==, 0);
}

/* Of an egress whose state is lost, too, the end is told. */
static void test_found_unreported(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *dead = g_build_filename(f->folder, "state", "worker-9", NULL);
    g_autoptr(EgSpool) spool = make_spool(f, dead);
    note(spool, EGRESS__SPOOL_RECORD__RECORD_INFO, LIVEKIT__EGRESS_STATUS__EGRESS_ACTIVE);
    g_clear_pointer(&spool, eg_spool_free);
    eg_leftovers_find(f->leftovers, f->state);
    g_autofree char *folder = eg_spool_folder_of(f->root, "EG_1");
    g_autofree char *owner = eg_spool_owner(folder);
    g_assert_cmpstr(owner, ==, eg_state_folder(f->state));
    wait_order(f);
    g_assert_true(f->has_ending);
    finish(f, true);
    wait_gone(f);
    g_assert_cmpuint(f->ended->len, ==, 1);
}

/* That of a service which lives, or whose state somebody else will adopt, is not ours. */
static void test_of_others(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *root = g_build_filename(f->folder, "state", NULL);
    EgState *other = eg_state_new(root, NULL);
    g_autofree char *owner = g_strdup(eg_state_folder(other));
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    info.egress_id = (char *)"EG_1";
    eg_spool_free(make_spool(f, owner));
    g_assert_cmpstr(owner, !=, eg_state_folder(f->state));
    eg_leftovers_find(f->leftovers, f->state);
    g_assert_true(eg_state_put(other, &info, NULL));
    eg_state_free(other);
    eg_leftovers_find(f->leftovers, f->state);
    while (eg_loop_iterate(f->loop, false))
        continue;
    g_assert_cmpuint(f->n_started, ==, 0);
    g_autofree char *folder = eg_spool_folder_of(f->root, "EG_1");
    g_autofree char *now = eg_spool_owner(folder);
    g_assert_cmpstr(now, ==, owner);
}

/* After an egress has ended in order. */
static void test_clean(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(EgSpool) spool = make_spool(f, eg_state_folder(f->state));
    g_autofree char *file = eg_spool_path(spool, 0, "out.mp4");
    Egress__SpoolGivenUp given_up = EGRESS__SPOOL_GIVEN_UP__INIT;
    Egress__SpoolRecord record = EGRESS__SPOOL_RECORD__INIT;
    record.record_case = EGRESS__SPOOL_RECORD__RECORD_GIVEN_UP;
    record.given_up = &given_up;
    g_assert_true(eg_spool_note(spool, &record, false, NULL));
    g_clear_pointer(&spool, eg_spool_free);
    /* What could not be uploaded is not tried again at once. */
    eg_leftovers_clean(f->leftovers, "EG_1");
    while (eg_loop_iterate(f->loop, false))
        continue;
    g_assert_cmpuint(f->n_started, ==, 0);
    g_assert_true(eg_leftovers_has(f->leftovers, "EG_1"));
    g_assert_cmpint(g_unlink(file), ==, 0);
    eg_leftovers_clean(f->leftovers, "EG_1");
    g_assert_false(eg_leftovers_has(f->leftovers, "EG_1"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/leftovers/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("resumed", test_resumed);
    ADD("hopeless", test_hopeless);
    ADD("drop", test_drop);
    ADD("found-reported", test_found_reported);
    ADD("found-unreported", test_found_unreported);
    ADD("of-others", test_of_others);
    ADD("clean", test_clean);
#undef ADD
    return g_test_run();
}
