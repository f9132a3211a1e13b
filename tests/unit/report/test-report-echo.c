#include <string.h>

#include "proto/json.h"
#include "report/report.h"
#include "rpc_egress.pb-c.h"

#define STREAMS          "{'streamOutputs':[{'urls':['mux://0123456789','srt://h?k=v']}]}"
#define STREAMS_REDACTED "{'streamOutputs':[{'urls':['mux://{012...789}','srt://h?k={...}']}]}"

/* Every kind of request is in its report, without its secrets. */
static void test_echo(void)
{
    static const struct {
        const char *request;
        const char *echo;
    } cases[] = {
  // clang-format off
        {"{'roomComposite':" STREAMS "}", "'roomComposite':" STREAMS_REDACTED},
        {"{'web':" STREAMS "}", "'web':" STREAMS_REDACTED},
        {"{'participant':" STREAMS "}", "'participant':" STREAMS_REDACTED},
        {"{'trackComposite':" STREAMS "}", "'trackComposite':" STREAMS_REDACTED},
        {"{'track':{'trackId':'t','websocketUrl':'wss://h/?k=v'}}",
         "'track':{'trackId':'t','websocketUrl':'wss://h/?k={...}'}"},
        {"{'egress':{'outputs':[{'storage':{'s3':{'secret':'s'}}}]}}",
         "'egress':{'outputs':[{'storage':{'s3':{'secret':'{secret}'}}}]}"},
        {"{'replay':{'storage':{'s3':{'secret':'s'}}}}",
         "'replay':{'storage':{'s3':{'secret':'{secret}'}}}"},
  // clang-format on
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *json = g_strdelimit(g_strdup(cases[i].request), "'", '"');
        g_autofree char *echo = g_strdelimit(g_strdup(cases[i].echo), "'", '"');
        g_autoptr(GError) error = NULL;
        g_autoptr(ProtobufCMessage) request =
            eg_proto_from_json(json, strlen(json), &rpc__start_egress_request__descriptor, &error);
        g_assert_no_error(error);
        g_autoptr(GBytes) before = eg_proto_pack(request);
        EgPlan plan = {0};
        g_autoptr(EgReport) report =
            eg_report_new(&plan, (const Rpc__StartEgressRequest *)request, 1);
        g_autofree char *text = eg_proto_to_json(&eg_report_info(report)->base);
        g_test_message("%s", text);
        g_assert_nonnull(strstr(text, echo));

        /* The request itself still has them. */
        g_autoptr(GBytes) after = eg_proto_pack(request);
        g_assert_true(g_bytes_equal(after, before));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/report/echo", test_echo);
    return g_test_run();
}
