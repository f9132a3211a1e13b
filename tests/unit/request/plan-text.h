/* Requests as JSON (with ' for ") and plans as a line of text, for tables of tests. */
#pragma once

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "proto/json.h"
#include "request/plan.h"

#define INVALID "request has missing or invalid field: "

#define MIB (G_GINT64_CONSTANT(1) << 20)

static inline char *text_of(const char *text)
{
    return (char *)(guintptr)text;
}

/* Every cost and every limit is another. */
static inline EgConfig make_config(void)
{
    return (EgConfig){
        .api_key = text_of("key"),
        .api_secret = text_of("secret"),
        .ws_url = text_of("ws://localhost:7880"),
        .template_port = 7980,
        .cost = {.memory_bytes = 100 * MIB,
                 .room_composite = 4,
                 .audio_room_composite = 1.25,
                 .sdk_audio_room_composite = 0.75,
                 .sdk_audio_room_composite_memory_bytes = 50 * MIB,
                 .web = 3.5,
                 .audio_web = 1.5,
                 .participant = 2,
                 .track_composite = 1,
                 .track = 0.5},
        .limits = {.file_duration_ns = 60 * EG_NS_PER_S,
                 .file_size_bytes = MIB,
                 .stream_duration_ns = 90 * EG_NS_PER_S,
                 .segment_duration_ns = 10 * EG_NS_PER_S,
                 .image_duration_ns = 20 * EG_NS_PER_S                                   },
    };
}

/* The plan of `json`, to which an egress id is added. */
static inline EgPlan *plan_of_json(const char *json, const EgConfig *config, GError **error)
{
    g_autofree char *text = g_strdelimit(g_strdup(json), "'", '"');
    g_autoptr(GError) bad_test = NULL;
    ProtobufCMessage *message =
        eg_proto_from_json(text, strlen(text), &rpc__start_egress_request__descriptor, &bad_test);
    g_assert_no_error(bad_test);
    Rpc__StartEgressRequest *request = (Rpc__StartEgressRequest *)(gpointer)message;
    eg_proto_set_string(&request->egress_id, "EG_1");
    EgPlan *plan = eg_plan_new(request, config, error);
    protobuf_c_message_free_unpacked(message, NULL);
    return plan;
}

static inline void append_rules(GString *out, const GArray *rules, bool is_sound)
{
    static const char *const routes[] = {"none", "both", "left", "right", "alternate"};
    for (guint i = 0; i < rules->len; i++) {
        const EgRule *rule = &g_array_index(rules, EgRule, i);
        g_string_append(out, i > 0 ? "," : "");
        if (rule->track_id != NULL)
            g_string_append(out, rule->track_id);
        if (rule->identity != NULL)
            g_string_append_printf(out, "@%s", rule->identity);
        if (rule->kind != EG_KIND_ANY)
            g_string_append_printf(out, "kind%d", rule->kind);
        if (rule->share != EG_SHARE_ANY)
            g_string_append(out, rule->share == EG_SHARE_YES ? "+share" : "-share");
        if (rule->track_id == NULL && rule->identity == NULL && rule->kind == EG_KIND_ANY)
            g_string_append(out, "*");
        if (is_sound)
            g_string_append_printf(out, ">%s", routes[rule->route]);
    }
}

/* "participant: participant(alice) audio @alice-share>both video @alice-share encode mp4 AAC H264
 * file:x.mp4" */
static inline char *plan_text(const EgPlan *plan)
{
    static const char *const lifetimes[] = {"none", "room", "participant", "tracks"};
    static const char *const processings[] = {"none", "passthrough", "encode"};
    const EgSelection *selection = &plan->selection;
    GString *out = g_string_new(plan->type);
    g_string_append_printf(out, ": %s", lifetimes[selection->lifetime]);
    g_assert_cmpint(plan->source, ==, plan->page.url != NULL ? EG_SOURCE_PAGE : EG_SOURCE_ROOM);
    if (plan->page.url != NULL)
        g_string_append_printf(out, " page(%s%s%s %ux%u%s%s%s)", plan->page.url,
                               plan->page.layout != NULL ? " layout=" : "",
                               plan->page.layout != NULL ? plan->page.layout : "", plan->page.width,
                               plan->page.height, plan->page.awaits_signal ? " awaits" : "",
                               plan->page.is_trusted ? " trusted" : "",
                               plan->page.is_own ? " own" : "");
    if (selection->identity != NULL)
        g_string_append_printf(out, "(%s)", selection->identity);
    if (selection->audio->len > 0) {
        g_string_append(out, " audio ");
        append_rules(out, selection->audio, true);
    }
    if (selection->video->len > 0) {
        g_string_append(out, " video ");
        append_rules(out, selection->video, false);
    }
    g_string_append_printf(out, " %s", processings[plan->processing]);
    for (guint i = 0; i < plan->n_outputs; i++)
        g_string_append_printf(out, "%s%s", i > 0 ? "+" : " ",
                               eg_format_info(plan->outputs[i].format)->name);
    if (plan->audio.codec != EG_CODEC_NONE)
        g_string_append_printf(out, " %s", eg_codec_info(plan->audio.codec)->name);
    if (plan->video.codec != EG_CODEC_NONE)
        g_string_append_printf(out, " %s", eg_codec_info(plan->video.codec)->name);
    static const char *const kinds[EG_N_OUTPUTS] = {
        [EG_OUTPUT_FILE] = "file",           [EG_OUTPUT_SEGMENTS] = "segments",
        [EG_OUTPUT_STREAM] = "stream",       [EG_OUTPUT_IMAGES] = "images",
        [EG_OUTPUT_WEBSOCKET] = "websocket",
    };
    for (guint i = 0; i < plan->n_outputs; i++) {
        const EgOutput *output = &plan->outputs[i];
        g_string_append_printf(out, " %s:%s", kinds[output->kind],
                               output->url != NULL ? output->url : output->path_template);
    }
    return g_string_free(out, FALSE);
}

typedef struct {
    const char *json;
    const char *text; /* plan_text() */
    double cpu_cost;
} GoodCase;

static inline void expect_plans(const GoodCase *cases, gsize n_cases)
{
    const EgConfig config = make_config();
    for (gsize i = 0; i < n_cases; i++) {
        g_test_message("%s", cases[i].json);
        g_autoptr(GError) error = NULL;
        g_autoptr(EgPlan) plan = plan_of_json(cases[i].json, &config, &error);
        g_assert_no_error(error);
        g_autofree char *text = plan_text(plan);
        g_assert_cmpstr(text, ==, cases[i].text);
        g_assert_cmpfloat(plan->cpu_cost, ==, cases[i].cpu_cost);
    }
}

typedef struct {
    const char *json;
    EgErrorCode code;
    const char *text; /* what the error begins with */
} BadCase;

static inline void expect_refusals(const BadCase *cases, gsize n_cases, const EgConfig *config)
{
    for (gsize i = 0; i < n_cases; i++) {
        g_test_message("%s", cases[i].json);
        g_autoptr(GError) error = NULL;
        g_autoptr(EgPlan) plan = plan_of_json(cases[i].json, config, &error);
        g_assert_null(plan);
        g_test_message("%s", error->message);
        g_assert_true(g_str_has_prefix(error->message, cases[i].text));
        g_assert_cmpint(eg_error_code(error), ==, cases[i].code);
        g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_REQUEST);
        g_assert_false(eg_error_is_retryable(error));
    }
}
