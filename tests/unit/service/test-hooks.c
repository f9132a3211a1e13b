#include "service/hooks.h"

#include <glib/gstdio.h>
#include <jansson.h>
#include <libsoup/soup.h>
#include <string.h>

#include "base/time.h"

typedef struct {
    EgLoop *loop;
    EgLog *log;
    EgConfig *config;
    char *folder;
    Livekit__FileInfo file;
    Livekit__FileInfo *files[1];
    Livekit__ImagesInfo images;
    Livekit__ImagesInfo *lists[1];
    Livekit__SegmentsInfo segments;
    Livekit__SegmentsInfo *playlists[1];
    Livekit__EgressInfo info;
    guint n_done;
} Fixture;

static void on_done(gpointer user, const char *egress_id)
{
    Fixture *f = user;
    g_assert_cmpstr(egress_id, ==, "EG_1");
    f->n_done++;
}

static char *text_of(const char *text)
{
    return (char *)(guintptr)text;
}

static void set_up(Fixture *f, gconstpointer user)
{
    (void)user;
    f->loop = eg_loop_new();
    f->log = eg_log_new(NULL, NULL, NULL);
    f->folder = g_dir_make_tmp("egress-test-XXXXXX", NULL);
    livekit__file_info__init(&f->file);
    livekit__images_info__init(&f->images);
    livekit__segments_info__init(&f->segments);
    livekit__egress_info__init(&f->info);
    f->file.location = text_of("/rec/a.mp4");
    f->files[0] = &f->file;
    f->lists[0] = &f->images;
    f->playlists[0] = &f->segments;
    f->info.egress_id = text_of("EG_1");
    f->info.status = LIVEKIT__EGRESS_STATUS__EGRESS_COMPLETE;
    f->info.n_file_results = 1;
    f->info.file_results = f->files;
}

static void tear_down(Fixture *f, gconstpointer user)
{
    (void)user;
    eg_config_free(f->config);
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->folder);
    eg_log_free(f->log);
    eg_loop_free(f->loop);
}

/* With a shell script that knows its folder. */
static EgHooks *make(Fixture *f, const char *script, const char *more)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *yaml = g_strdup_printf("api_key: key\napi_secret: secret\n"
                                            "hooks:\n  command: [sh, -c, '%s', '', '%s']\n%s",
                                            script, f->folder, more);
    f->config = eg_config_parse(yaml, "x.yaml", NULL, &error);
    g_assert_no_error(error);
    return eg_hooks_new(f->loop, f->config, f->log, on_done, f);
}

static void wait_for_end(const Fixture *f, const EgHooks *hooks)
{
    while (eg_hooks_pending(hooks) > 0)
        eg_loop_iterate(f->loop, true);
}

/* Its content, and it is gone. */
static char *take_file(const Fixture *f, const char *name)
{
    g_autofree char *path = g_build_filename(f->folder, name, NULL);
    char *content = NULL;
    if (g_file_get_contents(path, &content, NULL, NULL))
        g_assert_cmpint(g_remove(path), ==, 0);
    return content;
}

static void test_command(Fixture *f, gconstpointer user)
{
    (void)user;
    g_setenv("AWS_SECRET_ACCESS_KEY", "hidden", TRUE);
    g_autoptr(EgHooks) hooks =
        make(f, "cat > \"$1/in\"; echo \"${AWS_SECRET_ACCESS_KEY-none}\" > \"$1/env\"", "");
    eg_hooks_call(hooks, &f->info);
    g_assert_cmpuint(eg_hooks_pending(hooks), ==, 1);
    wait_for_end(f, hooks);
    g_assert_cmpuint(f->n_done, ==, 1);
    g_autofree char *text = take_file(f, "in");
    json_t *json = json_loads(text, 0, NULL);
    g_assert_cmpstr(json_string_value(json_object_get(json, "event")), ==, "file_finished");
    g_assert_cmpstr(json_string_value(json_object_get(json_object_get(json, "file"), "location")),
                    ==, "/rec/a.mp4");
    g_assert_cmpstr(
        json_string_value(json_object_get(json_object_get(json, "egressInfo"), "egressId")), ==,
        "EG_1");
    json_decref(json);
    g_autofree char *secret = take_file(f, "env");
    g_assert_cmpstr(secret, ==, "none\n");
    g_unsetenv("AWS_SECRET_ACCESS_KEY");
}

/* Once for each output that has files; what was never written is none. */
static void test_outputs(Fixture *f, gconstpointer user)
{
    (void)user;
    g_autoptr(EgHooks) hooks = make(
        f,
        "cut -d\\\" -f4 | sort >> \"$1/events-$$\"; cat \"$1\"/events-$$ >> \"$1/all\"; rm \"$1/events-$$\"",
        "");
    f->info.n_image_results = f->info.n_segment_results = 1;
    f->info.image_results = f->lists;
    f->info.segment_results = f->playlists;
    f->images.image_count = 3;
    eg_hooks_call(hooks, &f->info);
    wait_for_end(f, hooks);
    g_assert_cmpuint(f->n_done, ==, 1);
    g_autofree char *two = take_file(f, "all");
    g_assert_nonnull(strstr(two, "file_finished\n"));
    g_assert_nonnull(strstr(two, "images_finished\n"));
    g_assert_cmpuint(strlen(two), ==, strlen("file_finished\nimages_finished\n"));
    f->images.image_count = 0;
    f->file.location = text_of("");
    f->segments.playlist_location = text_of("/p");
    eg_hooks_call(hooks, &f->info);
    wait_for_end(f, hooks);
    g_assert_cmpuint(f->n_done, ==, 2);
    g_autofree char *one = take_file(f, "all");
    g_assert_cmpstr(one, ==, "segments_finished\n");
    f->segments.playlist_location = text_of("");
    g_assert_false(eg_hooks_call(hooks, &f->info));
}

/* More than may run at the same time, and none of them lost. */
static void test_many(Fixture *f, gconstpointer user)
{
    (void)user;
    g_autoptr(EgHooks) hooks = make(f, "echo x >> \"$1/count\"; exit 3", "");
    for (int i = 0; i < 20; i++)
        eg_hooks_call(hooks, &f->info);
    wait_for_end(f, hooks);
    g_autofree char *count = take_file(f, "count");
    g_assert_cmpuint(strlen(count), ==, 40);
}

static void test_deadline(Fixture *f, gconstpointer user)
{
    (void)user;
    g_autoptr(EgHooks) hooks = make(f, "sleep 1000", "  timeout: 1s\n");
    gint64 began_ns = eg_now_ns();
    eg_hooks_call(hooks, &f->info);
    wait_for_end(f, hooks);
    g_assert_cmpint(eg_now_ns() - began_ns, <, 100 * EG_NS_PER_S);
}

static void test_no_program(Fixture *f, gconstpointer user)
{
    (void)user;
    g_autoptr(GError) error = NULL;
    f->config = eg_config_parse("hooks: {command: [/nowhere/at/all]}", "x.yaml", NULL, &error);
    g_assert_no_error(error);
    g_autoptr(EgHooks) hooks = eg_hooks_new(f->loop, f->config, f->log, on_done, f);
    eg_hooks_call(hooks, &f->info);
    wait_for_end(f, hooks);
    g_assert_cmpuint(f->n_done, ==, 1);
    /* One that runs does not keep anybody from going. */
    EgHooks *busy = eg_hooks_new(f->loop, f->config, f->log, on_done, f);
    eg_hooks_call(busy, &f->info);
    eg_hooks_free(busy);
    g_assert_cmpuint(f->n_done, ==, 1);
}

typedef struct {
    char *event;
    bool is_signed;
} Received;

static void on_request(SoupServer *server, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer user)
{
    Received *received = user;
    (void)server;
    (void)path;
    (void)query;
    g_autoptr(GBytes) body =
        soup_message_body_flatten(soup_server_message_get_request_body(message));
    json_t *event = json_loadb(g_bytes_get_data(body, NULL), g_bytes_get_size(body), 0, NULL);
    received->event = g_strdup(json_string_value(json_object_get(event, "event")));
    received->is_signed =
        soup_message_headers_get_one(soup_server_message_get_request_headers(message),
                                     "Authorization") != NULL;
    json_decref(event);
    soup_server_message_set_status(message, SOUP_STATUS_OK, NULL);
}

static void test_url(Fixture *f, gconstpointer user)
{
    (void)user;
    Received received = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(SoupServer) server = soup_server_new(NULL, NULL);
    soup_server_add_handler(server, NULL, on_request, &received, NULL);
    soup_server_listen_local(server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
    g_assert_no_error(error);
    GSList *uris = soup_server_get_uris(server);
    g_autofree char *url = g_uri_to_string(uris->data);
    g_slist_free_full(uris, (GDestroyNotify)g_uri_unref);
    g_autofree char *yaml =
        g_strdup_printf("api_key: key\napi_secret: secret\nhooks: {urls: ['%s']}\n", url);
    f->config = eg_config_parse(yaml, "x.yaml", NULL, &error);
    g_assert_no_error(error);
    g_autoptr(EgHooks) hooks = eg_hooks_new(f->loop, f->config, f->log, on_done, f);
    eg_hooks_call(hooks, &f->info);
    wait_for_end(f, hooks);
    g_assert_cmpuint(f->n_done, ==, 1);
    g_assert_cmpstr(received.event, ==, "file_finished");
    g_assert_true(received.is_signed);
    g_free(received.event);
    soup_server_disconnect(server);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/service/hooks/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("command", test_command);
    ADD("outputs", test_outputs);
    ADD("many", test_many);
    ADD("deadline", test_deadline);
    ADD("no-program", test_no_program);
    ADD("url", test_url);
#undef ADD
    return g_test_run();
}
