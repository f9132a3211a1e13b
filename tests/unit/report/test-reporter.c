#include "report/reporter.h"

#include "base/error.h"
#include "base/time.h"

#include <string.h>

/* What was published last, and not answered yet. */
typedef struct {
    char *egress_id;
    Livekit__EgressStatus status;
    bool is_new;
    void (*done)(gpointer user, const GError *error);
    gpointer user;
} Publication;

typedef struct {
    EgLoop *loop;
    EgReporter *reporter;
    GQueue open;       /* of Publication, in their order */
    GString *calls;    /* what has happened, each as a word */
    bool frees_itself; /* in the next change of health */
} Fixture;

static const char *status_name(Livekit__EgressStatus status)
{
    return protobuf_c_enum_descriptor_get_value(&livekit__egress_status__descriptor, (int)status)
               ->name +
           strlen("EGRESS_");
}

static void on_publish(gpointer publisher, const Livekit__EgressInfo *info, bool is_new,
                       void (*done)(gpointer user, const GError *error), gpointer user)
{
    Fixture *f = publisher;
    Publication *publication = g_new(Publication, 1);
    *publication = (Publication){.egress_id = g_strdup(info->egress_id),
                                 .status = info->status,
                                 .is_new = is_new,
                                 .done = done,
                                 .user = user};
    g_queue_push_tail(&f->open, publication);
    g_string_append_printf(f->calls, "%s:%s:%s ", is_new ? "create" : "update", info->egress_id,
                           status_name(info->status));
}

static void on_delivered(gpointer user, const char *egress_id)
{
    Fixture *f = user;
    g_string_append_printf(f->calls, "delivered:%s ", egress_id);
}

static void on_healthy(gpointer user, bool is_healthy)
{
    Fixture *f = user;
    g_string_append(f->calls, is_healthy ? "healthy " : "unhealthy ");
    if (f->frees_itself)
        g_clear_pointer(&f->reporter, eg_reporter_free);
}

static void on_created(gpointer user, const GError *error)
{
    Fixture *f = user;
    g_string_append_printf(f->calls, "created:%s ",
                           error != NULL ? eg_error_code_name(eg_error_code(error)) : "ok");
}

static void set_up(Fixture *f, gconstpointer user)
{
    (void)user;
    static const EgPublisherClass class = {.publish = on_publish};
    static const EgReporterEvents events = {.delivered = on_delivered, .healthy = on_healthy};
    f->loop = eg_loop_new();
    f->calls = g_string_new(NULL);
    g_queue_init(&f->open);
    f->reporter =
        eg_reporter_new(f->loop, (EgPublisher){.class = &class, .publisher = f}, NULL, &events, f);
    eg_reporter_set_pauses(f->reporter, EG_NS_PER_MS, 4 * EG_NS_PER_MS);
}

/* The oldest that is open gets its answer. */
static void answer(Fixture *f, const GError *error)
{
    Publication *publication = g_queue_pop_head(&f->open);
    g_assert_nonnull(publication);
    publication->done(publication->user, error);
    g_free(publication->egress_id);
    g_free(publication);
}

static void answer_ok(Fixture *f)
{
    answer(f, NULL);
}

static void answer_retryable(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    eg_error_set_retryable(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE, "nobody is there");
    answer(f, error);
}

static void answer_refused(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE, "never");
    answer(f, error);
}

static void tear_down(Fixture *f, gconstpointer user)
{
    (void)user;
    eg_reporter_free(f->reporter);
    /* Their answers come when nobody wants them. */
    const gsize length = f->calls->len;
    while (!g_queue_is_empty(&f->open))
        answer_ok(f);
    g_assert_cmpuint(f->calls->len, ==, length);
    eg_loop_free(f->loop);
    g_string_free(f->calls, TRUE);
}

static void drain(Fixture *f)
{
    while (eg_loop_iterate(f->loop, false)) {
    }
}

/* Until the next other try. */
static void wait_for_publication(Fixture *f)
{
    g_assert_true(g_queue_is_empty(&f->open));
    while (g_queue_is_empty(&f->open))
        eg_loop_iterate(f->loop, true);
}

static void assert_calls(Fixture *f, const char *calls)
{
    g_assert_cmpstr(f->calls->str, ==, calls);
    g_string_truncate(f->calls, 0);
}

static void create(Fixture *f, const char *egress_id)
{
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    info.egress_id = (char *)egress_id;
    eg_reporter_create(f->reporter, &info, on_created, f);
}

/* What it is given changes after the call. */
static void update(Fixture *f, const char *egress_id, Livekit__EgressStatus status)
{
    g_autofree char *copy = g_strdup(egress_id);
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    info.egress_id = copy;
    info.status = status;
    eg_reporter_update(f->reporter, &info);
    memset(copy, '!', strlen(copy));
}

#define ACTIVE   LIVEKIT__EGRESS_STATUS__EGRESS_ACTIVE
#define ENDING   LIVEKIT__EGRESS_STATUS__EGRESS_ENDING
#define COMPLETE LIVEKIT__EGRESS_STATUS__EGRESS_COMPLETE

static void test_life(Fixture *f, gconstpointer user)
{
    (void)user;
    g_assert_cmpuint(eg_reporter_pending(f->reporter), ==, 0);
    create(f, "a");
    assert_calls(f, "create:a:STARTING ");
    g_assert_cmpuint(eg_reporter_pending(f->reporter), ==, 1);
    answer_ok(f);
    assert_calls(f, "created:ok ");
    g_assert_cmpuint(eg_reporter_pending(f->reporter), ==, 0);
    update(f, "a", ACTIVE);
    assert_calls(f, "update:a:ACTIVE ");
    answer_ok(f);
    assert_calls(f, "");
    update(f, "a", COMPLETE);
    assert_calls(f, "update:a:COMPLETE ");
    g_assert_cmpuint(eg_reporter_pending(f->reporter), ==, 1);
    answer_ok(f);
    assert_calls(f, "delivered:a ");
    g_assert_cmpuint(eg_reporter_pending(f->reporter), ==, 0);
    g_assert_true(g_queue_is_empty(&f->open));
}

/* Nothing overtakes the creation; of what waits, the newest goes. */
static void test_order(Fixture *f, gconstpointer user)
{
    (void)user;
    create(f, "a");
    update(f, "a", ACTIVE);
    update(f, "a", ENDING);
    drain(f);
    assert_calls(f, "create:a:STARTING ");
    answer_ok(f);
    assert_calls(f, "update:a:ENDING created:ok ");

    /* One is under way; those that follow become one. */
    update(f, "a", ACTIVE);
    update(f, "a", COMPLETE);
    drain(f);
    assert_calls(f, "");
    answer_ok(f);
    assert_calls(f, "update:a:COMPLETE ");
    answer_ok(f);
    assert_calls(f, "delivered:a ");
}

/* Egresses do not wait for each other. */
static void test_queues(Fixture *f, gconstpointer user)
{
    (void)user;
    create(f, "a");
    create(f, "b");
    update(f, "c", COMPLETE);
    assert_calls(f, "create:a:STARTING create:b:STARTING update:c:COMPLETE ");
    g_assert_cmpuint(eg_reporter_pending(f->reporter), ==, 3);
    update(f, "a", ACTIVE);
    answer_ok(f);
    assert_calls(f, "update:a:ACTIVE created:ok ");
    answer_ok(f);
    answer_ok(f);
    answer_ok(f);
    assert_calls(f, "created:ok delivered:c ");
    g_assert_cmpuint(eg_reporter_pending(f->reporter), ==, 0);
}

static void test_retry(Fixture *f, gconstpointer user)
{
    (void)user;
    update(f, "a", COMPLETE);
    answer_retryable(f);
    assert_calls(f, "update:a:COMPLETE unhealthy ");
    for (int i = 0; i < 5; i++) {
        wait_for_publication(f);
        answer_retryable(f);
        assert_calls(f, "update:a:COMPLETE ");
    }
    wait_for_publication(f);
    answer_ok(f);
    assert_calls(f, "update:a:COMPLETE healthy delivered:a ");
    g_assert_cmpuint(eg_reporter_pending(f->reporter), ==, 0);
}

/* What comes in the pause, or before an attempt fails, replaces what has failed. */
static void test_retry_newer(Fixture *f, gconstpointer user)
{
    (void)user;
    update(f, "a", ACTIVE);
    answer_retryable(f);
    update(f, "a", ENDING);
    wait_for_publication(f);
    assert_calls(f, "update:a:ACTIVE unhealthy update:a:ENDING ");
    update(f, "a", COMPLETE);
    answer_retryable(f);
    wait_for_publication(f);
    answer_ok(f);
    assert_calls(f, "update:a:COMPLETE healthy delivered:a ");
}

/* From the first pause to the longest, and again from the first after a success. */
static void test_pauses(Fixture *f, gconstpointer user)
{
    (void)user;
    const gint64 pauses_ms[] = {4, 8, 16, 20, 20};
    eg_reporter_set_pauses(f->reporter, 4 * EG_NS_PER_MS, 20 * EG_NS_PER_MS);
    for (int round = 0; round < 2; round++) {
        update(f, "a", ACTIVE);
        update(f, "a", COMPLETE);
        for (gsize i = 0; i < G_N_ELEMENTS(pauses_ms); i++) {
            const gint64 failed_ns = eg_now_ns();
            answer_retryable(f);
            wait_for_publication(f);
            g_assert_cmpint(eg_now_ns() - failed_ns, >=, pauses_ms[i] * EG_NS_PER_MS);
        }
        answer_ok(f);
        g_string_truncate(f->calls, 0);
    }
}

/* Would never end if pauses were not bounded, or went on growing after a success. */
static void test_pauses_end(Fixture *f, gconstpointer user)
{
    (void)user;
    update(f, "a", ACTIVE);
    for (int i = 0; i < 50; i++) {
        answer_retryable(f);
        wait_for_publication(f);
    }
    update(f, "a", ENDING);
    answer_ok(f);
    eg_reporter_set_pauses(f->reporter, EG_NS_PER_MS, 3600 * EG_NS_PER_S);
    for (int i = 0; i < 50; i++) {
        update(f, "a", ENDING);
        answer_ok(f);
        answer_retryable(f);
        wait_for_publication(f);
    }
    answer_ok(f);
    g_assert_cmpuint(eg_reporter_pending(f->reporter), ==, 0);
    g_string_truncate(f->calls, 0);
}

static void test_retry_now(Fixture *f, gconstpointer user)
{
    (void)user;
    eg_reporter_set_pauses(f->reporter, 3600 * EG_NS_PER_S, 3600 * EG_NS_PER_S);
    update(f, "a", ACTIVE);
    update(f, "b", ACTIVE);
    answer_retryable(f);
    update(f, "b", COMPLETE);
    assert_calls(f, "update:a:ACTIVE update:b:ACTIVE unhealthy ");
    eg_reporter_retry_now(f->reporter); /* b is under way */
    assert_calls(f, "update:a:ACTIVE ");
    drain(f);
    answer_ok(f);
    assert_calls(f, "update:b:COMPLETE healthy ");
    answer_ok(f);
    answer_ok(f);
    assert_calls(f, "delivered:b ");
    eg_reporter_retry_now(f->reporter);
    drain(f);
    assert_calls(f, "");
}

/* What is refused for good is not tried again, but what follows is; and who refuses is there. */
static void test_refused(Fixture *f, gconstpointer user)
{
    (void)user;
    update(f, "a", ACTIVE);
    answer_retryable(f);
    wait_for_publication(f);
    update(f, "a", COMPLETE);
    answer_refused(f);
    assert_calls(f, "update:a:ACTIVE unhealthy update:a:ACTIVE update:a:COMPLETE healthy ");
    answer_refused(f);
    assert_calls(f, "delivered:a ");
    g_assert_cmpuint(eg_reporter_pending(f->reporter), ==, 0);
}

/* One attempt; with the creation goes what waited for it. */
static void test_creation_fails(Fixture *f, gconstpointer user)
{
    (void)user;
    create(f, "a");
    update(f, "a", ACTIVE);
    answer_retryable(f);
    drain(f);
    assert_calls(f, "create:a:STARTING created:unavailable ");
    g_assert_cmpuint(eg_reporter_pending(f->reporter), ==, 0);

    create(f, "a");
    answer_refused(f);
    assert_calls(f, "create:a:STARTING created:invalid_argument ");
}

/* An egress of that id has still something to tell, perhaps from before a crash. */
static void test_creation_twice(Fixture *f, gconstpointer user)
{
    (void)user;
    update(f, "a", COMPLETE);
    create(f, "a");
    create(f, "a");
    assert_calls(f, "update:a:COMPLETE ");
    drain(f);
    assert_calls(f, "created:already_exists created:already_exists ");
    answer_ok(f);
    assert_calls(f, "delivered:a ");

    update(f, "a", COMPLETE);
    create(f, "a"); /* and is never told */
}

static void test_free(Fixture *f, gconstpointer user)
{
    (void)user;
    create(f, "a");
    update(f, "b", ACTIVE);
    update(f, "b", COMPLETE);
    update(f, "c", ACTIVE);
    f->frees_itself = true;
    answer_ok(f);
    answer_retryable(f);
    g_assert_null(f->reporter);
    drain(f);
    eg_reporter_free(NULL);
}

/* Between the news that it works again and the delivery. */
static void test_free_in_between(Fixture *f, gconstpointer user)
{
    (void)user;
    update(f, "a", COMPLETE);
    answer_retryable(f);
    wait_for_publication(f);
    g_string_truncate(f->calls, 0);
    f->frees_itself = true;
    answer_ok(f);
    assert_calls(f, "healthy ");
    g_assert_null(f->reporter);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    eg_log_setup(EG_LOG_NONE, false);
#define ADD(path, func) g_test_add("/report/reporter/" path, Fixture, NULL, set_up, func, tear_down)
    ADD("life", test_life);
    ADD("order", test_order);
    ADD("queues", test_queues);
    ADD("retry", test_retry);
    ADD("retry-newer", test_retry_newer);
    ADD("pauses", test_pauses);
    ADD("pauses-end", test_pauses_end);
    ADD("retry-now", test_retry_now);
    ADD("refused", test_refused);
    ADD("creation-fails", test_creation_fails);
    ADD("creation-twice", test_creation_twice);
    ADD("free", test_free);
    ADD("free-in-between", test_free_in_between);
#undef ADD
    return g_test_run();
}
