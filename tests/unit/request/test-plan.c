#include "base/error.h"
#include "short-request.h"

static void test_selection(void)
{
    static const struct {
        Short request;
        bool has_audio;
        bool has_video;
        EgProcessing processing;
        double cpu_cost;
        const char *subject;
    } cases[] = {
        // clang-format off
        {{.identity = "a", .filepath = "x"},
         true, true, EG_PROCESSING_ENCODE, 2, "a"},
        {{.identity = "a", .filepath = "x.ogg"},
         true, false, EG_PROCESSING_ENCODE, 2, "a"},
        {{.identity = "a", .filepath = "x.ogg", .preset = PRESET(PASSTHROUGH)},
         true, false, EG_PROCESSING_PASSTHROUGH, 2, "a"},
        {{.audio_track_id = "A", .filepath = "x"},
         true, false, EG_PROCESSING_ENCODE, 1, "standup"},
        {{.video_track_id = "V", .filepath = "x", .preset = PRESET(PASSTHROUGH)},
         false, true, EG_PROCESSING_PASSTHROUGH, 1, "standup"},
        {{.track_id = "T", .filepath = "x"},
         true, true, EG_PROCESSING_PASSTHROUGH, 0.5, "T"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("case %" G_GSIZE_FORMAT, i);
        const Short *request = &cases[i].request;
        g_autoptr(GError) error = NULL;
        g_autoptr(EgPlan) plan = plan_of(request, &error);
        g_assert_no_error(error);
        g_assert_cmpint(eg_selection_has(&plan->selection, EG_MEDIA_AUDIO), ==, cases[i].has_audio);
        g_assert_cmpint(eg_selection_has(&plan->selection, EG_MEDIA_VIDEO), ==, cases[i].has_video);
        g_assert_cmpint(plan->processing, ==, cases[i].processing);
        g_assert_cmpfloat(plan->cpu_cost, ==, cases[i].cpu_cost);
        g_assert_cmpstr(eg_plan_subject(plan), ==, cases[i].subject);
        g_assert_cmpstr(plan->selection.identity, ==, request->identity);
        g_assert_cmpstr(plan->egress_id, ==, "EG_1");
        g_assert_cmpstr(plan->room_id, ==, "RM_1");
        g_assert_cmpstr(plan->room_name, ==, "standup");
        g_assert_cmpstr(plan->ws_url, ==, "ws://localhost:7880");
        g_assert_null(plan->token);
    }
}

/* What is wrong around the kinds: one change to a good request each. */
static void test_refused_around(void)
{
    static const Short good = {.identity = "alice", .filepath = "x.mp4"};
    Messages m;
    EgConfig other = config;

#define REFUSED(config_, code_, text_)                                                             \
    do {                                                                                           \
        g_autoptr(GError) error = NULL;                                                            \
        g_assert_null(eg_plan_new(&m.request, (config_), &error));                                 \
        g_assert_true(g_str_has_prefix(error->message, (text_)));                                  \
        g_assert_cmpint(eg_error_code(error), ==, (code_));                                        \
    } while (0)

    fill(&m, &good);
    m.request.egress_id = str("");
    REFUSED(&config, EG_ERROR_INVALID_ARGUMENT, INVALID "egressID");
    fill(&m, &good);
    m.request.request_case = RPC__START_EGRESS_REQUEST__REQUEST__NOT_SET;
    REFUSED(&config, EG_ERROR_INVALID_ARGUMENT, INVALID "request");
    fill(&m, &good);
    m.participant.n_file_outputs = 2;
    REFUSED(&config, EG_ERROR_INVALID_ARGUMENT, INVALID "multiple file outputs");
    fill(&m, &good);
    m.participant.room_name = str("");
    REFUSED(&config, EG_ERROR_INVALID_ARGUMENT, INVALID "room_name");
    fill(&m, &good);
    m.request.retry_count = -1;
    REFUSED(&config, EG_ERROR_INVALID_ARGUMENT, INVALID "retry_count");
    fill(&m, &good);
    m.request.retry_count = 1;
    REFUSED(&config, EG_ERROR_FAILED_PRECONDITION, "output configuration does not support retry");

    static const char *const urls[] = {"localhost:7880", "ftp://x", "ws://", "/tmp", "ws://h:port"};
    for (gsize i = 0; i < G_N_ELEMENTS(urls); i++) {
        fill(&m, &good);
        m.request.ws_url = str(urls[i]);
        REFUSED(&config, EG_ERROR_INVALID_ARGUMENT, INVALID "ws_url (");
    }
    fill(&m, &good);
    other.ws_url = NULL;
    REFUSED(&other, EG_ERROR_INVALID_ARGUMENT, INVALID "ws_url");
    other = config;
    other.api_secret = NULL;
    REFUSED(&other, EG_ERROR_INVALID_ARGUMENT, INVALID "token or api key/secret");
    other.api_secret = str("");
    REFUSED(&other, EG_ERROR_INVALID_ARGUMENT, INVALID "token or api key/secret");
#undef REFUSED
}

/* base64url of the claims between a header and a signature that nobody checks. */
static char *make_token(const char *claims)
{
    g_autofree char *json = g_strdelimit(g_strdup(claims), "'", '"');
    g_autofree char *payload = g_base64_encode((const guchar *)json, strlen(json));
    g_strdelimit(payload, "+", '-');
    g_strdelimit(payload, "/", '_');
    payload[strcspn(payload, "=")] = '\0';
    return g_strdup_printf("e30.%s.c2ln", payload);
}

static void test_token(void)
{
    static const struct {
        const char *claims; /* with ' for " */
        const char *room;
        EgErrorCode code; /* NONE: good */
        const char *text;
    } cases[] = {
  // clang-format off
        {"{'video':{'roomJoin':true,'room':'standup'}}", "standup", EG_ERROR_NONE, NULL},
        {"{'video':{'roomJoin':true,'room':'standup'}}", "", EG_ERROR_NONE, NULL},
        {"{'exp':9999999999,'video':{'roomJoin':true,'room':'standup','x':'\xc3\xbf?>'}}",
         "standup", EG_ERROR_NONE, NULL},
        {"{'video':{'roomJoin':true}}", "standup", EG_ERROR_NONE, NULL},
        {"{'video':{'roomJoin':true}}", "", EG_ERROR_INVALID_ARGUMENT, INVALID "room_name"},
        {"{'video':{'roomJoin':true,'room':'other'}}", "standup", EG_ERROR_INVALID_ARGUMENT,
         INVALID "token (it is for room other, not for standup)"},
        {"{'exp':1700000000,'video':{'roomJoin':true,'room':'standup'}}", "standup",
         EG_ERROR_UNAUTHENTICATED, "token has expired at 2023-11-14T22:13:20Z"},
        {"{'video':{'room':'standup'}}", "standup", EG_ERROR_PERMISSION_DENIED,
         "token does not allow"},
        {"{'video':{'roomJoin':true,'canSubscribe':false}}", "standup",
         EG_ERROR_PERMISSION_DENIED, "token does not allow"},
        {"{'video':7}", "standup", EG_ERROR_PERMISSION_DENIED, "token does not allow"},
        {"[]", "standup", EG_ERROR_INVALID_ARGUMENT, INVALID "token (it is not a JWT)"},
        {"{", "standup", EG_ERROR_INVALID_ARGUMENT, INVALID "token (it is not a JWT)"},
    };
    EgConfig no_key = config;
    no_key.api_key = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].claims);
        g_autofree char *token = make_token(cases[i].claims);
        Messages m;
        fill(&m, &(Short){.identity = "alice", .filepath = "x"});
        m.participant.room_name = str(cases[i].room);
        m.request.token = token;
        g_autoptr(GError) error = NULL;
        g_autoptr(EgPlan) plan = eg_plan_new(&m.request, &no_key, &error);
        g_assert_cmpint(eg_error_code(error), ==, cases[i].code);
        if (cases[i].code == EG_ERROR_NONE) {
            g_assert_cmpstr(plan->token, ==, token);
            g_assert_cmpstr(plan->room_name, ==, "standup");
        } else {
            g_assert_true(g_str_has_prefix(error->message, cases[i].text));
        }
    }

    static const char *const malformed[] = {"x", "a.b", "a.b.c.d", "a.%.c", ".."};
    for (gsize i = 0; i < G_N_ELEMENTS(malformed); i++) {
        Messages m;
        fill(&m, &(Short){.identity = "alice", .filepath = "x"});
        m.request.token = str(malformed[i]);
        g_autoptr(GError) error = NULL;
        g_assert_null(eg_plan_new(&m.request, &no_key, &error));
        g_assert_cmpstr(error->message, ==, INVALID "token (it is not a JWT)");
    }
}

/* What the request says itself goes before what is configured or usual. */
static void test_precedence(void)
{
    Messages m;
    fill(&m, &(Short){.identity = "alice", .filepath = "{retry}.mp4"});
    m.request.room_name = str("from-outside");
    m.request.ws_url = str("WSS://example.org/rtc");
    m.request.estimated_cpu = 0.25;
    m.request.retry_count = 3;
    g_autoptr(GError) error = NULL;
    g_autoptr(EgPlan) plan = eg_plan_new(&m.request, &config, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(plan->room_name, ==, "standup");
    g_assert_cmpstr(plan->ws_url, ==, "WSS://example.org/rtc");
    g_assert_cmpfloat(plan->cpu_cost, ==, 0.25);
    g_assert_cmpuint(plan->retry_count, ==, 3);

    m.participant.room_name = str("");
    g_autoptr(EgPlan) outer = eg_plan_new(&m.request, &config, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(outer->room_name, ==, "from-outside");

    /* A retry may make up a name: it has the number in it. */
    static const char *const retryable[] = {"", "rec/", "x-{retry}.mp4"};
    for (gsize i = 0; i < G_N_ELEMENTS(retryable); i++) {
        m.file.filepath = str(retryable[i]);
        g_autoptr(EgPlan) retry = eg_plan_new(&m.request, &config, &error);
        g_assert_no_error(error);
        g_assert_nonnull(retry);
    }

    /* The deprecated single output. */
    fill(&m, &(Short){.audio_track_id = "A"});
    m.composite.output_case = LIVEKIT__TRACK_COMPOSITE_EGRESS_REQUEST__OUTPUT_FILE;
    m.composite.file = &m.file;
    m.file.filepath = str("old.mp3");
    g_autoptr(EgPlan) old = eg_plan_new(&m.request, &config, &error);
    g_assert_no_error(error);
    g_assert_cmpint(old->outputs[0].format, ==, EG_FORMAT_MP3);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request/plan/selection", test_selection);
    g_test_add_func("/request/plan/refused-around", test_refused_around);
    g_test_add_func("/request/plan/token", test_token);
    g_test_add_func("/request/plan/precedence", test_precedence);
    return g_test_run();
}
