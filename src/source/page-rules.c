#include "source/page-rules.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <string.h>

#include "base/error.h"

typedef struct {
    const char *prefix;
    const char *reason;
} Range;

/* Not of the public internet. The first that matches says why. */
static const Range refused_ranges[] = {
    {"0.0.0.0/8",        "unspecified (RFC 1122)"            },
    {"10.0.0.0/8",       "private (RFC 1918)"                },
    {"100.64.0.0/10",    "of a provider's network (RFC 6598)"},
    {"127.0.0.0/8",      "loopback (RFC 1122)"               },
    {"168.63.129.16/32", "the host of a virtual machine"     }, /* Azure's */
    {"169.254.0.0/16",   "link-local (RFC 3927)"             }, /* metadata of a cloud */
    {"172.16.0.0/12",    "private (RFC 1918)"                },
    {"192.0.0.0/24",     "reserved for protocols (RFC 6890)" },
    {"192.0.2.0/24",     "for documentation (RFC 5737)"      },
    {"192.88.99.0/24",   "a 6to4 relay (RFC 7526)"           },
    {"192.168.0.0/16",   "private (RFC 1918)"                },
    {"198.18.0.0/15",    "for benchmarks (RFC 2544)"         },
    {"198.51.100.0/24",  "for documentation (RFC 5737)"      },
    {"203.0.113.0/24",   "for documentation (RFC 5737)"      },
    {"224.0.0.0/4",      "multicast (RFC 1112)"              },
    {"255.255.255.255",  "broadcast (RFC 919)"               },
    {"240.0.0.0/4",      "reserved (RFC 1112)"               },
    {"::/128",           "unspecified (RFC 4291)"            },
    {"::1/128",          "loopback (RFC 4291)"               },
    {"::/96",            "an IPv4 address in IPv6 (RFC 4291)"},
    {"64:ff9b:1::/48",   "of a local translator (RFC 8215)"  },
    {"100::/64",         "for discarding (RFC 6666)"         },
    {"2001::/23",        "reserved for protocols (RFC 2928)" }, /* also Teredo */
    {"2001:db8::/32",    "for documentation (RFC 3849)"      },
    {"3fff::/20",        "for documentation (RFC 9637)"      },
    {"5f00::/16",        "for segment routing (RFC 9602)"    },
    {"fc00::/7",         "private (RFC 4193)"                },
    {"fe80::/10",        "link-local (RFC 4291)"             },
    {"fec0::/10",        "site-local (RFC 3879)"             },
    {"ff00::/8",         "multicast (RFC 4291)"              },
};

/* Where IPv6 is not refused; all else is for nobody yet. */
static const char *const global_prefixes[] = {"2000::/3", "64:ff9b::/96"};

/* IPv6 addresses that lead to the IPv4 address within them. */
typedef struct {
    const char *prefix;
    gsize offset; /* of the IPv4 address, in bytes */
} Embedding;

static const Embedding embeddings[] = {
    {"64:ff9b::/96", 12}, /* NAT64, RFC 6052 */
    {"2002::/16",    2 }, /* 6to4, RFC 3056 */
};

typedef struct {
    char *host; /* in lower case, without a dot at its end; or */
    GInetAddressMask *network;
    guint16 port; /* 0: any */
} Allowance;

struct _EgPageRules {
    GPtrArray *allowances; /* Allowance */
    GPtrArray *refused;    /* GInetAddressMask, as refused_ranges */
    GPtrArray *global;     /* as global_prefixes */
    GPtrArray *embedding;  /* as embeddings */
};

static void free_allowance(gpointer data)
{
    Allowance *allowance = data;
    g_free(allowance->host);
    g_clear_object(&allowance->network);
    g_free(allowance);
}

/* "10.0.0.0/8", or an address alone. NULL: it is neither. (GLib would warn of "/99".) */
static GInetAddressMask *parse_network(const char *text)
{
    const char *slash = strchr(text, '/');
    g_autofree char *base = slash != NULL ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(base);
    if (address == NULL)
        return NULL;
    guint64 max_bits = 8 * g_inet_address_get_native_size(address);
    guint64 n_bits = max_bits;
    if (slash != NULL && !g_ascii_string_to_unsigned(slash + 1, 10, 0, max_bits, &n_bits, NULL))
        return NULL;
    return g_inet_address_mask_new(address, (guint)n_bits, NULL);
}

static void add_mask(GPtrArray *masks, const char *prefix)
{
    GInetAddressMask *mask = parse_network(prefix);
    g_assert(mask != NULL);
    g_ptr_array_add(masks, mask);
}

static bool is_name_char(char c)
{
    return g_ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
}

/* "10", "0x7f". */
static bool is_number(const char *label)
{
    bool is_hexadecimal = g_ascii_strncasecmp(label, "0x", 2) == 0;
    const char *digits = is_hexadecimal ? "0123456789abcdefABCDEF" : "0123456789";
    const char *at = is_hexadecimal ? label + 2 : label;
    return at[strspn(at, digits)] == '\0';
}

/* No address in disguise: "127.1", "0x7f000001", "2130706433"; nor a wrong one: "300.1.1.1". */
static bool is_host_name(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (!is_name_char(*at))
            return false;
    }
    const char *last_dot = strrchr(text, '.');
    return *text != '\0' && *text != '.' && strlen(text) <= 253 &&
           !is_number(last_dot != NULL ? last_dot + 1 : text);
}

static char *plain_host(const char *host)
{
    char *plain = g_ascii_strdown(host, -1);
    gsize length = strlen(plain);
    if (length > 1 && plain[length - 1] == '.')
        plain[length - 1] = '\0';
    return plain;
}

/* Takes ":port" off the end of a host; a bare IPv6 address has none. False if it is no port. */
static bool split_port(char *text, guint16 *port)
{
    char *colon = strrchr(text, ':');
    bool is_bracketed = *text == '[';
    bool is_bare_ipv6 = !is_bracketed && colon != strchr(text, ':');
    bool has_port = colon != NULL && !is_bare_ipv6 && (!is_bracketed || colon[-1] == ']');
    guint64 value = 0;
    if (has_port && !g_ascii_string_to_unsigned(colon + 1, 10, 1, G_MAXUINT16, &value, NULL))
        return false;
    if (has_port)
        *colon = '\0';
    gsize length = strlen(text);
    if (is_bracketed && text[length - 1] != ']')
        return false;
    if (is_bracketed) {
        text[length - 1] = '\0';
        memmove(text, text + 1, length - 1);
    }
    *port = (guint16)value;
    return true;
}

static Allowance *parse_allowance(const char *entry)
{
    g_autofree char *text = g_strdup(entry);
    guint16 port = 0;
    bool is_network = strchr(text, '/') != NULL;
    if (!is_network && !split_port(text, &port))
        return NULL;
    g_autoptr(GInetAddressMask) network = parse_network(text);
    g_autofree char *host = plain_host(text);
    if (network == NULL && !is_host_name(host))
        return NULL;
    Allowance *allowance = g_new0(Allowance, 1);
    allowance->host = network == NULL ? g_steal_pointer(&host) : NULL;
    allowance->network = g_steal_pointer(&network);
    allowance->port = port;
    return allowance;
}

EgPageRules *eg_page_rules_new(const char *const *allowed, GError **error)
{
    g_autoptr(EgPageRules) rules = g_new0(EgPageRules, 1);
    rules->allowances = g_ptr_array_new_with_free_func(free_allowance);
    rules->refused = g_ptr_array_new_with_free_func(g_object_unref);
    rules->global = g_ptr_array_new_with_free_func(g_object_unref);
    rules->embedding = g_ptr_array_new_with_free_func(g_object_unref);
    for (gsize i = 0; i < G_N_ELEMENTS(refused_ranges); i++)
        add_mask(rules->refused, refused_ranges[i].prefix);
    for (gsize i = 0; i < G_N_ELEMENTS(global_prefixes); i++)
        add_mask(rules->global, global_prefixes[i]);
    for (gsize i = 0; i < G_N_ELEMENTS(embeddings); i++)
        add_mask(rules->embedding, embeddings[i].prefix);
    for (gsize i = 0; allowed != NULL && allowed[i] != NULL; i++) {
        Allowance *allowance = parse_allowance(allowed[i]);
        if (allowance == NULL) {
            eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                         "a page cannot be allowed to reach \"%s\": it must be a host "
                         "(\"layouts.internal\" or \"layouts.internal:8080\"), an address, or a "
                         "network (\"10.0.0.0/8\")",
                         allowed[i]);
            return NULL;
        }
        g_ptr_array_add(rules->allowances, allowance);
    }
    return g_steal_pointer(&rules);
}

void eg_page_rules_free(EgPageRules *rules)
{
    if (rules == NULL)
        return;
    g_ptr_array_unref(rules->allowances);
    g_ptr_array_unref(rules->refused);
    g_ptr_array_unref(rules->global);
    g_ptr_array_unref(rules->embedding);
    g_free(rules);
}

GInetAddress *eg_page_rules_plain_address(GInetAddress *address)
{
    static const guint8 mapped[12] = {[10] = 0xff, [11] = 0xff};
    const guint8 *bytes = g_inet_address_to_bytes(address);
    if (g_inet_address_get_family(address) == G_SOCKET_FAMILY_IPV6 &&
        memcmp(bytes, mapped, sizeof(mapped)) == 0)
        return g_inet_address_new_from_bytes(bytes + sizeof(mapped), G_SOCKET_FAMILY_IPV4);
    return g_object_ref(address);
}

/* The first of `masks` that has the address; -1: none. */
static int find_mask(GPtrArray *masks, GInetAddress *address)
{
    for (guint i = 0; i < masks->len; i++) {
        if (g_inet_address_mask_matches(masks->pdata[i], address))
            return (int)i;
    }
    return -1;
}

static bool is_allowed(const EgPageRules *rules, const char *host, GInetAddress *address,
                       guint16 port)
{
    g_autofree char *plain = plain_host(host);
    for (guint i = 0; i < rules->allowances->len; i++) {
        const Allowance *allowance = rules->allowances->pdata[i];
        if (allowance->port != 0 && allowance->port != port)
            continue;
        bool matches = allowance->host != NULL
                           ? strcmp(allowance->host, plain) == 0
                           : g_inet_address_mask_matches(allowance->network, address);
        if (matches)
            return true;
    }
    return false;
}

/* Services of this machine are often not meant for others, and protected by firewalls that what
 * comes from within does not pass. */
static bool is_of_this_machine(GInetAddress *address)
{
    struct ifaddrs *all;
    bool is_own = false;
    if (getifaddrs(&all) != 0)
        return true; /* who knows */
    int family = (int)g_inet_address_get_family(address);
    for (const struct ifaddrs *at = all; at != NULL && !is_own; at = at->ifa_next) {
        if (at->ifa_addr == NULL || at->ifa_addr->sa_family != family)
            continue;
        g_autoptr(GSocketAddress) own = g_socket_address_new_from_native(
            at->ifa_addr,
            family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
        is_own = own != NULL &&
                 g_inet_address_equal(g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(own)),
                                      address);
    }
    freeifaddrs(all);
    return is_own;
}

static const char *refusal(const EgPageRules *rules, GInetAddress *address)
{
    int refused = find_mask(rules->refused, address);
    if (refused >= 0)
        return refused_ranges[refused].reason;
    if (is_of_this_machine(address))
        return "of this machine";
    if (g_inet_address_get_family(address) == G_SOCKET_FAMILY_IPV4)
        return NULL;
    if (find_mask(rules->global, address) < 0)
        return "not of the internet (RFC 4291)";
    int embedding = find_mask(rules->embedding, address);
    if (embedding < 0)
        return NULL;
    g_autoptr(GInetAddress) inner = g_inet_address_new_from_bytes(
        g_inet_address_to_bytes(address) + embeddings[embedding].offset, G_SOCKET_FAMILY_IPV4);
    return refusal(rules, inner);
}

const char *eg_page_rules_refusal(const EgPageRules *rules, const char *host, GInetAddress *address,
                                  guint16 port)
{
    g_autoptr(GInetAddress) plain = eg_page_rules_plain_address(address);
    return is_allowed(rules, host, plain, port) ? NULL : refusal(rules, plain);
}
