/* Which addresses a page may reach. */
#include "source/page-rules.h"

#include <string.h>

#include "base/error.h"

static const char *refusal(const EgPageRules *rules, const char *host, const char *text,
                           guint16 port)
{
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(text);
    g_assert_nonnull(address);
    return eg_page_rules_refusal(rules, host, address, port);
}

static EgPageRules *rules_of(const char *const *allowed)
{
    g_autoptr(GError) error = NULL;
    EgPageRules *rules = eg_page_rules_new(allowed, &error);
    g_assert_no_error(error);
    return rules;
}

static void test_public(void)
{
    static const char *const addresses[] = {
        "1.1.1.1",         "9.255.255.255",    "11.0.0.0",        "100.63.255.255",
        "100.128.0.0",     "126.255.255.255",  "128.0.0.0",       "169.253.255.255",
        "169.255.0.0",     "172.15.255.255",   "172.32.0.0",      "192.0.1.0",
        "192.167.255.255", "192.169.0.0",      "198.17.255.255",  "198.20.0.0",
        "223.255.255.255", "8.8.8.8",          "2606:4700::1111", "2a00:1450::1",
        "2001:4860::8888", "64:ff9b::8.8.8.8", "2002:808:808::1", "::ffff:8.8.8.8",
    };
    g_autoptr(EgPageRules) rules = rules_of(NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++)
        g_assert_cmpstr(refusal(rules, addresses[i], addresses[i], 443), ==, NULL);
}

static void test_refused(void)
{
    static const struct {
        const char *address;
        const char *reason; /* begins so */
    } rows[] = {
        {"0.0.0.0",                  "unspecified"            },
        {"0.255.255.255",            "unspecified"            },
        {"10.0.0.0",                 "private (RFC 1918)"     },
        {"10.255.255.255",           "private (RFC 1918)"     },
        {"100.64.0.0",               "of a provider's network"},
        {"100.127.255.255",          "of a provider's network"},
        {"127.0.0.1",                "loopback"               },
        {"127.255.255.255",          "loopback"               },
        {"168.63.129.16",            "the host of a virtual"  },
        {"169.254.169.254",          "link-local"             },
        {"172.16.0.0",               "private (RFC 1918)"     },
        {"172.31.255.255",           "private (RFC 1918)"     },
        {"192.0.0.192",              "reserved for protocols" },
        {"192.0.2.1",                "for documentation"      },
        {"192.88.99.1",              "a 6to4 relay"           },
        {"192.168.0.0",              "private (RFC 1918)"     },
        {"192.168.255.255",          "private (RFC 1918)"     },
        {"198.18.0.0",               "for benchmarks"         },
        {"198.19.255.255",           "for benchmarks"         },
        {"198.51.100.7",             "for documentation"      },
        {"203.0.113.7",              "for documentation"      },
        {"224.0.0.1",                "multicast"              },
        {"239.255.255.255",          "multicast"              },
        {"240.0.0.1",                "reserved (RFC 1112)"    },
        {"255.255.255.255",          "broadcast"              },
        {"::",                       "unspecified"            },
        {"::1",                      "loopback"               },
        {"::127.0.0.1",              "an IPv4 address in IPv6"},
        {"::ffff:127.0.0.1",         "loopback (RFC 1122)"    },
        {"::ffff:10.1.2.3",          "private (RFC 1918)"     },
        {"::ffff:169.254.169.254",   "link-local (RFC 3927)"  },
        {"64:ff9b::127.0.0.1",       "loopback (RFC 1122)"    },
        {"64:ff9b::169.254.169.254", "link-local (RFC 3927)"  },
        {"64:ff9b:1::8.8.8.8",       "of a local translator"  },
        {"2002:7f00:1::",            "loopback (RFC 1122)"    },
        {"2002:a01:203::1",          "private (RFC 1918)"     },
        {"2002:a9fe:a9fe::",         "link-local (RFC 3927)"  },
        {"100::1",                   "for discarding"         },
        {"2001:0:1::1",              "reserved for protocols" },
        {"2001:2::1",                "reserved for protocols" },
        {"2001:db8::1",              "for documentation"      },
        {"3fff:fff::1",              "for documentation"      },
        {"5f00::1",                  "for segment routing"    },
        {"fc00::1",                  "private (RFC 4193)"     },
        {"fd00:ec2::254",            "private (RFC 4193)"     },
        {"fe80::1",                  "link-local (RFC 4291)"  },
        {"febf::1",                  "link-local (RFC 4291)"  },
        {"fec0::1",                  "site-local"             },
        {"ff02::1",                  "multicast (RFC 4291)"   },
        {"4000::1",                  "not of the internet"    },
        {"1::1",                     "not of the internet"    },
    };
    g_autoptr(EgPageRules) rules = rules_of(NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *reason = refusal(rules, "name", rows[i].address, 80);
        g_test_message("%s: %s", rows[i].address, reason);
        g_assert_nonnull(reason);
        g_assert_true(g_str_has_prefix(reason, rows[i].reason));
    }
}

static void test_allowed(void)
{
    static const char *const allowed[] = {"10.0.0.0/8",
                                          "Template.Internal.:8080",
                                          "plain",
                                          "192.168.7.7:99",
                                          "[fd00::7]:443",
                                          "fd01::/16",
                                          "fd02::9",
                                          "127.0.0.1",
                                          "1password",
                                          "64:ff9b::/96",
                                          NULL};
    static const struct {
        const char *host;
        const char *address;
        guint16 port;
        bool may;
    } rows[] = {
        {"any",                 "10.1.2.3",          80,   true },
        {"any",                 "::ffff:10.1.2.3",   80,   true },
        {"any",                 "11.1.2.3",          80,   true },
        {"template.internal",   "172.16.0.1",        8080, true },
        {"TEMPLATE.internal.",  "172.16.0.1",        8080, true },
        {"template.internal",   "172.16.0.1",        8081, false},
        {"a.template.internal", "172.16.0.1",        8080, false},
        {"template.internal2",  "172.16.0.1",        8080, false},
        {"plain",               "::1",               1,    true },
        {"plain.",              "169.254.169.254",   80,   true },
        {"1password",           "192.168.0.1",       80,   true },
        {"192.168.7.7",         "192.168.7.7",       99,   true },
        {"any",                 "192.168.7.7",       99,   true },
        {"192.168.7.7",         "192.168.7.7",       98,   false},
        {"any",                 "192.168.7.8",       99,   false},
        {"any",                 "fd00::7",           443,  true },
        {"any",                 "fd00::7",           444,  false},
        {"any",                 "fd01:2:3::4",       5,    true },
        {"any",                 "fd02::9",           5,    true },
        {"any",                 "fd02::a",           5,    false},
        {"any",                 "127.0.0.1",         5,    true },
        {"any",                 "127.0.0.2",         5,    false},
        {"any",                 "64:ff9b::10.0.0.1", 5,    true },
    };
    g_autoptr(EgPageRules) rules = rules_of(allowed);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s %s %u", rows[i].host, rows[i].address, rows[i].port);
        g_assert_cmpint(refusal(rules, rows[i].host, rows[i].address, rows[i].port) == NULL, ==,
                        rows[i].may);
    }
}

static void test_bad_entries(void)
{
    static const char *const entries[] = {
        "",           "10.0.0.0/33", "10.0.0.1/8",  "host:0",       "host:65536", "host:",
        "host:80a",   ":80",         "http://host", "host/path",    "[::1",       "[::1]80",
        "::1/129",    "10.0.0.0/-1", "10.0.0.0/",   "10.0.0.0/8/8", "127.1",      "0x7f000001",
        "2130706433", "300.1.1.1",   "*.internal",  "a b",          ".host",      "h\xc3\xb6st",
        "[]",         "[",           "host.0x7f",   "[::1]:",       "]:80",       "/8",
        ".",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(entries); i++) {
        const char *const allowed[] = {"fine", entries[i], NULL};
        g_autoptr(GError) error = NULL;
        g_autofree char *quoted = g_strdup_printf("\"%s\"", entries[i]);
        g_test_message("%s", quoted);
        g_assert_null(eg_page_rules_new(allowed, &error));
        g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_INVALID_ARGUMENT);
        g_assert_nonnull(strstr(error->message, quoted));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/page-rules/public", test_public);
    g_test_add_func("/page-rules/refused", test_refused);
    g_test_add_func("/page-rules/allowed", test_allowed);
    g_test_add_func("/page-rules/bad-entries", test_bad_entries);
    return g_test_run();
}
