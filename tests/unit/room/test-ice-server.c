#include "room/ice-server.h"

static void test_url(void)
{
    static const struct {
        const char *url;
        EgIceServerType type; /* NONE: refused */
        const char *host;
        guint16 port;
    } cases[] = {
        {"stun:stun.example.com",                 EG_ICE_SERVER_STUN,     "stun.example.com", 3478 },
        {"stun:stun.example.com:19302",           EG_ICE_SERVER_STUN,     "stun.example.com", 19302},
        {"STUN:192.0.2.1:1",                      EG_ICE_SERVER_STUN,     "192.0.2.1",        1    },
        {"turn:t.example.com",                    EG_ICE_SERVER_TURN_UDP, "t.example.com",    3478 },
        {"turn:t.example.com:443?transport=udp",  EG_ICE_SERVER_TURN_UDP, "t.example.com",    443  },
        {"turn:t.example.com:443?transport=tcp",  EG_ICE_SERVER_TURN_TCP, "t.example.com",    443  },
        {"turn:t.example.com?transport=TCP",      EG_ICE_SERVER_TURN_TCP, "t.example.com",    3478 },
        {"turns:t.example.com",                   EG_ICE_SERVER_TURN_TLS, "t.example.com",    5349 },
        {"turns:t.example.com:443?transport=tcp", EG_ICE_SERVER_TURN_TLS, "t.example.com",    443  },
        {"turn:[2001:db8::1]:3479?transport=udp", EG_ICE_SERVER_TURN_UDP, "2001:db8::1",      3479 },
        {"stun:[2001:db8::1]",                    EG_ICE_SERVER_STUN,     "2001:db8::1",      3478 },
        {"turns:t.example.com?transport=udp",     EG_ICE_SERVER_NONE,     NULL,               0    },
        {"turn:t.example.com?transport=sctp",     EG_ICE_SERVER_NONE,     NULL,               0    },
        {"turn:t.example.com?",                   EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stuns:t.example.com",                   EG_ICE_SERVER_NONE,     NULL,               0    },
        {"http://t.example.com",                  EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:",                                 EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun::3478",                            EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:a:",                               EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:a:0",                              EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:a:65536",                          EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:a:x",                              EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:[::1",                             EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:[::1]1",                           EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:[]:1",                             EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun",                                  EG_ICE_SERVER_NONE,     NULL,               0    },
        {":",                                     EG_ICE_SERVER_NONE,     NULL,               0    },
        {"?",                                     EG_ICE_SERVER_NONE,     NULL,               0    },
        {"",                                      EG_ICE_SERVER_NONE,     NULL,               0    },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        EgIceServerUrl url = {0};
        g_test_message("%s", cases[i].url);
        bool ok = eg_ice_server_parse(cases[i].url, &url);
        g_assert_cmpint(ok, ==, cases[i].type != EG_ICE_SERVER_NONE);
        if (ok) {
            g_assert_cmpint(url.type, ==, cases[i].type);
            g_assert_cmpstr(url.host, ==, cases[i].host);
            g_assert_cmpuint(url.port, ==, cases[i].port);
        }
        g_free(url.host);
    }
}

static void test_candidate(void)
{
    EgCandidateLine line;
    g_assert_true(eg_candidate_parse("candidate:9 1 UDP 2130706431 192.0.2.7 40123 typ srflx raddr "
                                     "10.0.0.1 rport 5000 generation 0 ufrag Xy/9 network-id 1",
                                     &line));
    g_assert_cmpint(line.type, ==, EG_CANDIDATE_SERVER_REFLEXIVE);
    g_assert_cmpstr(line.foundation, ==, "9");
    g_assert_cmpuint(line.component, ==, 1);
    g_assert_true(line.is_udp);
    g_assert_false(line.is_tcp_passive);
    g_assert_cmpuint(line.priority, ==, 2130706431);
    g_assert_cmpstr(line.address, ==, "192.0.2.7");
    g_assert_true(line.has_literal_address);
    g_assert_cmpuint(line.port, ==, 40123);
    g_assert_cmpstr(line.ufrag, ==, "Xy/9");

    g_assert_true(eg_candidate_parse("a=candidate:1 1 tcp 1 2001:db8::7 7881 typ host tcptype "
                                     "passive\r\n",
                                     &line));
    g_assert_true(line.is_tcp_passive);
    g_assert_false(line.is_udp);
    g_assert_cmpstr(line.address, ==, "2001:db8::7");
    g_assert_cmpstr(line.ufrag, ==, "");

    g_assert_true(eg_candidate_parse("candidate:1 1 udp 1 some.local 1 typ host", &line));
    g_assert_false(line.has_literal_address);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/room/ice-server/url", test_url);
    g_test_add_func("/room/ice-server/candidate", test_candidate);
    return g_test_run();
}
