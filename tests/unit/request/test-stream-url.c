#include "request/stream-url.h"

#include "base/error.h"

#define RTMP_FORM                                                                                  \
    "rtmp urls must be of format rtmp(s)://{host}(/{path})/{app}/{stream_key}( live=1)"

static void test_rtmp(void)
{
    static const struct {
        const char *url;
        const char *server;
        const char *app;
        const char *key;
    } cases[] = {
        {"rtmp://a.example/live/key",             "rtmp://a.example",                "live",    "key"    },
        {"rtmps://a.example:443/x/live2/k?b=c/d", "rtmps://a.example:443",           "x/live2", "k?b=c/d"},
        {"rtmp://u:p@a.example/live/key live=1",  "rtmp://u:p@a.example",            "live",    "key"    },
        {"RTMP://[::1]:1935/live/a-b_c",          "RTMP://[::1]:1935",               "live",    "a-b_c"  },
        {"rtmp://a.example/live/",                "rtmp://a.example",                "live",    ""       },
        {"mux://abc",                             "rtmps://global-live.mux.com:443", "app",     "abc"    },
        {"twitch://live_1_x?bandwidthtest=true",
         "rtmps://ingest.global-contribute.live-video.net:443",                      "app",
         "live_1_x?bandwidthtest=true"                                                                   },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(EgStreamUrl) url = eg_stream_url_parse(cases[i].url, &error);
        g_assert_no_error(error);
        g_assert_cmpint(url->format, ==, EG_FORMAT_FLV);
        g_assert_cmpstr(url->server, ==, cases[i].server);
        g_assert_cmpstr(url->app, ==, cases[i].app);
        g_assert_cmpstr(url->key, ==, cases[i].key);
    }
}

static void test_srt(void)
{
    static const struct {
        const char *url;
        const char *server;
        bool is_listener;
        const char *passphrase;
        const char *stream_id;
        int key_length_bytes;
        gint64 latency_ms;
        guint n_ignored;
    } cases[] = {
        {"srt://a.example:9000",                                                                  "srt://a.example:9000", false, NULL,          NULL,                -1, -1,  0},
        {"srt://[::1]:9000/?mode=caller",                                                         "srt://[::1]:9000",     false, NULL,          NULL,                -1, -1,  0},
        {"srt://:9000?mode=listener&latency=250",                                                 "srt://0.0.0.0:9000",   true,  NULL,          NULL,                -1, 250,
         0                                                                                                                                                                     },
        {"srt://a:1?passphrase=ten%20letters&pbkeylen=32&streamid=%23%21%3A%3Ar%3Dx,m%3Dpublish",
         "srt://a:1",                                                                                                     false, "ten letters", "#!::r=x,m=publish", 32, -1,  0},
        {"srt://a:1?transtype=live&latency=0",                                                    "srt://a:1",            false, NULL,          NULL,                -1, 0,   1},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(EgStreamUrl) url = eg_stream_url_parse(cases[i].url, &error);
        g_assert_no_error(error);
        g_assert_cmpint(url->format, ==, EG_FORMAT_TS);
        g_assert_cmpstr(url->server, ==, cases[i].server);
        g_assert_cmpint(url->is_listener, ==, cases[i].is_listener);
        g_assert_cmpstr(url->passphrase, ==, cases[i].passphrase);
        g_assert_cmpstr(url->stream_id, ==, cases[i].stream_id);
        g_assert_cmpint(url->key_length_bytes, ==, cases[i].key_length_bytes);
        g_assert_cmpint(url->latency_ms, ==, cases[i].latency_ms);
        g_assert_cmpuint(url->ignored->len, ==, cases[i].n_ignored);
    }
}

static void test_bad(void)
{
    static const struct {
        const char *url;
        const char *message;
    } cases[] = {
        {"rtmp://a.example",              "invalid url rtmp://a.example: " RTMP_FORM                     },
        {"rtmp://a.example/secretkey",    "invalid url rtmp://a.example/{sec...key}: " RTMP_FORM         },
        {"rtmp:///live/secretkey",        "invalid url rtmp:///live/{sec...key}: " RTMP_FORM             },
        {"rtmp://a:99999/live/secretkey",
         "invalid url rtmp://a:99999/live/{sec...key}: " RTMP_FORM                                       },
        {"rtmp://a/live/secret key",      "invalid url rtmp://a/live/{sec...key}: " RTMP_FORM            },
        {"secretkey",                     "invalid url {sec...key}: " RTMP_FORM                          },
        {"mux://",                        "invalid url mux://: it is {provider}://{stream_key}"          },
        {"http://a/b",
         "invalid url http://a/b: invalid scheme; it must be rtmp, rtmps, mux, twitch or srt"            },
        {"srt://a",
         "invalid url srt://a: srt urls must be of format srt://{host}:{port}(?{option}={value}&...)"    },
        {"srt://:9000",
         "invalid url srt://:9000: srt urls must be of format srt://{host}:{port}(?{option}={value}&...)"},
        {"srt://a:1?passphrase=short",
         "invalid url srt://a:1?passphrase={...}: passphrase has from 10 to 79 characters"               },
        {"srt://a:1?pbkeylen=17",
         "invalid url srt://a:1?pbkeylen={...}: pbkeylen is 0, 16, 24 or 32"                             },
        {"srt://a:1?mode=rendezvous",
         "invalid url srt://a:1?mode={...}: mode is caller or listener"                                  },
        {"srt://a:1?latency=-1",
         "invalid url srt://a:1?latency={...}: latency is from 0 to 60000 milliseconds"                  },
        {"srt://a:1?latency=1&latency=2",
         "invalid url srt://a:1?latency={...}&latency={...}: an option is there twice"                   },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(eg_stream_url_parse(cases[i].url, &error));
        g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
        g_assert_cmpstr(error->message, ==, cases[i].message);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request/stream-url/rtmp", test_rtmp);
    g_test_add_func("/request/stream-url/srt", test_srt);
    g_test_add_func("/request/stream-url/bad", test_bad);
    return g_test_run();
}
