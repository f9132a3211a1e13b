/* Requests as livekit-server sends them: the input is a byte of what the configuration allows, then
 * the bytes of an rpc.StartEgressRequest. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "request/filename.h"
#include "request/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    HAS_KEY = 1 << 0,
    HAS_URL = 1 << 1,
    HAS_ROOT = 1 << 2,
    HAS_NO_DISK = 1 << 3,
    HAS_STORE = 1 << 4,
    HAS_ROLE = 1 << 5,
    HAS_PREFIX = 1 << 6,
    HAS_BACKUP = 1 << 7,
};

static char *unconst(const char *text)
{
    return (char *)(guintptr)text;
}

static void check_rules(const GArray *rules)
{
    for (guint i = 0; i < rules->len; i++) {
        const EgRule *rule = &g_array_index(rules, EgRule, i);
        g_assert_true(rule->track_id == NULL || *rule->track_id != '\0');
        g_assert_true(rule->identity == NULL || *rule->identity != '\0');
        g_assert_cmpint(rule->kind, >=, EG_KIND_ANY);
        g_assert_cmpint(rule->route, !=, EG_ROUTE_NONE);
    }
}

static void check_selection(const EgSelection *selection)
{
    g_assert_true(eg_selection_has(selection, EG_MEDIA_AUDIO) ||
                  eg_selection_has(selection, EG_MEDIA_VIDEO));
    g_assert_cmpint(selection->lifetime, !=, EG_LIFETIME_NONE);
    g_assert_cmpint(selection->identity != NULL, ==,
                    selection->lifetime == EG_LIFETIME_PARTICIPANT);
    check_rules(selection->audio);
    check_rules(selection->video);
    if (selection->lifetime == EG_LIFETIME_TRACKS)
        g_assert_false(eg_selection_is_open(selection, EG_MEDIA_AUDIO) ||
                       eg_selection_is_open(selection, EG_MEDIA_VIDEO));
}

/* A key is relative, and its store is one that can be. */
static void check_stored(const char *template, const EgOutput *output, const EgConfig *config)
{
    gsize member = 0;
    const char *wanted = NULL;
    g_assert_cmpint(output->storage->kind, >, EG_STORE_LOCAL);
    g_assert_true(eg_storage_check(output->storage, &member, &wanted));
    g_assert_cmpint(*template, !=, '/');
    g_assert_true(output->backup == config->backup);
    if (config->storage != NULL)
        g_assert_cmpstr(output->storage->prefix, ==, config->storage->prefix);
}

static void check_file(const char *template, const EgOutput *output, const EgConfig *config)
{
    g_autoptr(GError) error = NULL;
    eg_filename_check(template, &error);
    g_assert_no_error(error);
    if (output->storage != NULL) {
        check_stored(template, output, config);
        return;
    }
    g_assert_false(config->disallow_local_storage);
    g_assert_null(output->backup);
    if (config->local_root != NULL) {
        g_autofree char *folder = g_strconcat(config->local_root, "/", NULL);
        g_assert_true(g_str_has_prefix(template, folder));
    }
}

/* Segments begin with key frames, all in places that are allowed. */
static void check_segments(const EgPlan *plan, const EgOutput *output, const EgConfig *config)
{
    check_file(output->segments.playlist_template, output, config);
    if (output->segments.live_playlist_template != NULL)
        check_file(output->segments.live_playlist_template, output, config);
    g_assert_cmpint(output->segments.duration_ns, >=, EG_NS_PER_S);
    if (plan->video.codec == EG_CODEC_NONE)
        return;
    double intervals = (double)output->segments.duration_ns /
                       (plan->video.key_frame_interval_s * (double)EG_NS_PER_S);
    g_assert_cmpfloat_with_epsilon(intervals, rint(intervals), 1e-6);
}

static void check_images(const EgPlan *plan, const EgOutput *output)
{
    g_assert_true(eg_selection_has(&plan->selection, EG_MEDIA_VIDEO));
    g_assert_cmpint(output->images.format, !=, EG_IMAGE_NONE);
    g_assert_cmpint(output->images.interval_ns, >=, EG_NS_PER_S);
    g_assert_true(plan->video.width > 0 && plan->video.height > 0 && plan->video.fps > 0);
}

static void check_output(const EgPlan *plan, const EgOutput *output, const EgConfig *config)
{
    g_assert_true((output->path_template != NULL) != (output->url != NULL));
    if (output->path_template != NULL)
        check_file(output->path_template, output, config);
    if (output->kind == EG_OUTPUT_SEGMENTS)
        check_segments(plan, output, config);
    if (output->kind == EG_OUTPUT_IMAGES) {
        check_images(plan, output);
        return;
    }
    if (plan->processing == EG_PROCESSING_PASSTHROUGH)
        return;
    bool has_audio = eg_selection_has(&plan->selection, EG_MEDIA_AUDIO);
    g_assert_cmpint(eg_format_holds(output->format, plan->audio.codec), ==, has_audio);
    g_assert_true(
        plan->video.codec == EG_CODEC_NONE || eg_format_holds(output->format, plan->video.codec) ||
        (has_audio && eg_format_default_codec(output->format, EG_MEDIA_VIDEO) == EG_CODEC_NONE));
}

/* Whatever was asked for: everybody after the plan relies on this. */
static void check_plan(const EgPlan *plan, const EgConfig *config)
{
    check_selection(&plan->selection);
    g_assert_nonnull(plan->type);
    bool is_page = plan->source == EG_SOURCE_PAGE;
    g_assert_cmpint(plan->page.url != NULL, ==, is_page);
    if (!is_page || plan->page.layout != NULL) {
        g_assert_true(*plan->room_name != '\0' && *plan->ws_url != '\0');
        g_assert_true(plan->token != NULL || config->api_key != NULL);
    }
    if (is_page)
        g_assert_true(plan->page.width % 2 == 0 && plan->page.width > 0 &&
                      plan->page.height % 2 == 0 && plan->page.height > 0);
    g_assert_true(*eg_plan_subject(plan) != '\0');
    g_assert_cmpfloat(plan->cpu_cost, >, 0);
    g_assert_cmpuint(plan->n_outputs, >=, 1);
    for (guint i = 0; i < plan->n_outputs; i++)
        check_output(plan, &plan->outputs[i], config);
    if (plan->processing == EG_PROCESSING_PASSTHROUGH) {
        g_assert_cmpint(plan->audio.codec, ==, EG_CODEC_NONE);
        g_assert_cmpint(plan->video.codec, ==, EG_CODEC_NONE);
    }
}

/* What the configuration says of a store; NULL: nothing. */
static EgStorage *make_storage(guint flags)
{
    if ((flags & (HAS_STORE | HAS_PREFIX)) == 0)
        return NULL;
    EgStorage *storage = eg_storage_new((flags & HAS_STORE) != 0 ? EG_STORE_S3 : EG_STORE_LOCAL);
    if (storage->kind == EG_STORE_S3)
        storage->bucket = g_strdup("bucket");
    if ((flags & HAS_PREFIX) != 0)
        storage->prefix = g_strdup("rec");
    return storage;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    guint flags = data[0];
    g_autoptr(EgStorage) storage = make_storage(flags);
    g_autoptr(EgStorage) backup = (flags & HAS_BACKUP) != 0 ? eg_storage_new(EG_STORE_LOCAL) : NULL;
    const EgConfig config = {
        .storage = storage,
        .backup = backup,
        .s3_assume_role = {.arn = unconst((flags & HAS_ROLE) != 0 ? "arn" : NULL),
                           .access_key = unconst((flags & HAS_ROLE) != 0 ? "key" : NULL),
                           .secret = unconst((flags & HAS_ROLE) != 0 ? "secret" : NULL)},
        .api_key = unconst((flags & HAS_KEY) != 0 ? "key" : NULL),
        .api_secret = unconst((flags & HAS_KEY) != 0 ? "secret" : NULL),
        .ws_url = unconst((flags & HAS_URL) != 0 ? "ws://localhost:7880" : NULL),
        .template_port = 7980,
        .local_root = unconst((flags & HAS_ROOT) != 0 ? "/srv/rec" : NULL),
        .disallow_local_storage = (flags & HAS_NO_DISK) != 0,
        .cost = { 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, false, 0, 0},
    };
    Rpc__StartEgressRequest *request = rpc__start_egress_request__unpack(NULL, size - 1, data + 1);
    if (request == NULL)
        return 0;
    g_autoptr(GError) error = NULL;
    g_autoptr(EgPlan) plan = eg_plan_new(request, &config, &error);
    g_assert_cmpint(plan == NULL, ==, error != NULL);
    if (plan != NULL)
        check_plan(plan, &config);
    else
        g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_REQUEST);
    rpc__start_egress_request__free_unpacked(request, NULL);
    return 0;
}
