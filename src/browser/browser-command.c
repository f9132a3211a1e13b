#include "browser/browser-command.h"

#include <glib/gstdio.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

/* Debian's `chromium` on PATH is a script, which adds flags of its own. */
#define DEBIAN_CHROMIUM "/usr/lib/chromium/chromium"

#define PROFILE_FOLDER "profile"

/* Features of Chromium, as of 156: what it would ask, offer or fetch by itself; two windows of the
 * address bar that cost a process and 25 MB each; and the question whether a page may talk to
 * addresses of the local network, which nobody could answer (that is a proxy's matter). */
#define DISABLED_FEATURES                                                                          \
    "Translate,TranslateUI,MediaRouter,DialMediaRouteProvider,OptimizationHints,"                  \
    "LocalNetworkAccessChecks,AudioServiceOutOfProcess,"                                           \
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup,InitialWebUI"

/* When a flag is given. */
typedef enum {
    ALWAYS,
    WITHOUT_SOUND,
    WITHOUT_SANDBOX,
    INSECURE,
    PROXIED,
    AT_REFRESHES,
} Condition;

static const struct {
    Condition condition;
    const char *name;
    const char *value; /* NULL: none */
} flags[] = {
  /* The window is the page, and nothing else comes up. */
    {ALWAYS,          "kiosk",                                  NULL                      },
    {ALWAYS,          "window-position",                        "0,0"                     },
    {ALWAYS,          "hide-scrollbars",                        NULL                      },
    {ALWAYS,          "no-first-run",                           NULL                      },
    {ALWAYS,          "no-default-browser-check",               NULL                      },
    {ALWAYS,          "noerrdialogs",                           NULL                      },
    {ALWAYS,          "disable-infobars",                       NULL                      },
    {ALWAYS,          "disable-prompt-on-repost",               NULL                      },
    {ALWAYS,          "disable-search-engine-choice-screen",    NULL                      },
    {ALWAYS,          "disable-features",                       DISABLED_FEATURES         },
    {ALWAYS,          "password-store",                         "basic"                   },
 /* The page runs, plays and looks as if somebody watched it. */
    {ALWAYS,          "autoplay-policy",                        "no-user-gesture-required"},
    {ALWAYS,          "force-color-profile",                    "srgb"                    },
    {ALWAYS,          "force-device-scale-factor",              "1"                       },
    {ALWAYS,          "disable-background-timer-throttling",    NULL                      },
    {ALWAYS,          "disable-backgrounding-occluded-windows", NULL                      },
    {ALWAYS,          "disable-renderer-backgrounding",         NULL                      },
    {ALWAYS,          "disable-hang-monitor",                   NULL                      },
    {ALWAYS,          "disable-ipc-flooding-protection",        NULL                      },
 /* WebRTC's pictures: decoded at refreshes, not at a clock of 64 Hz; and shown at the next one,
  not at one of its choice, which changes now and then. */
    {AT_REFRESHES,    "enable-features",                        "VSyncDecoding"           },
    {AT_REFRESHES,    "disable-rtc-smoothness-algorithm",       NULL                      },
 /* It does nothing but show the page. */
    {ALWAYS,          "disable-background-networking",          NULL                      },
    {ALWAYS,          "disable-component-update",               NULL                      },
    {ALWAYS,          "disable-default-apps",                   NULL                      },
    {ALWAYS,          "disable-extensions",                     NULL                      },
    {ALWAYS,          "disable-sync",                           NULL                      },
    {ALWAYS,          "disable-breakpad",                       NULL                      },
    {ALWAYS,          "disable-auto-reload",                    NULL                      },
    {ALWAYS,          "metrics-recording-only",                 NULL                      },
    {ALWAYS,          "no-pings",                               NULL                      },
 /* Of a container's /dev/shm little may be left; there is no GPU; UDP is for WebRTC. */
    {ALWAYS,          "disable-dev-shm-usage",                  NULL                      },
    {ALWAYS,          "disable-gpu",                            NULL                      },
    {ALWAYS,          "disable-quic",                           NULL                      },
    {ALWAYS,          "disk-cache-size",                        "67108864"                },
 /* As cheap as --mute-audio (measured), and unlike it, it needs no device. Sound keeps its
  clock. */
    {WITHOUT_SOUND,   "disable-audio-output",                   NULL                      },
    {WITHOUT_SANDBOX, "no-sandbox",                             NULL                      },
    {INSECURE,        "disable-web-security",                   NULL                      },
    {INSECURE,        "allow-running-insecure-content",         NULL                      },
    {INSECURE,        "ignore-certificate-errors",              NULL                      },
 /* Nothing gets around the proxy: no loopback, no UDP, (by its two names) no name lookups. */
    {PROXIED,         "proxy-bypass-list",                      "<-loopback>"             },
    {PROXIED,         "webrtc-ip-handling-policy",              "disable_non_proxied_udp" },
    {PROXIED,         "force-webrtc-ip-handling-policy",        "disable_non_proxied_udp" },
};

/* By these we hold the browser. */
static const char *const own_flags[] = {"remote-debugging-pipe", "user-data-dir"};

static bool applies(Condition condition, const EgBrowserParams *params)
{
    switch (condition) {
    case WITHOUT_SOUND:
        return !params->has_sound;
    case WITHOUT_SANDBOX:
        return !params->is_sandboxed;
    case INSECURE:
        return params->is_insecure;
    case PROXIED:
        return params->proxy != NULL;
    case AT_REFRESHES:
        return params->decodes_at_refreshes;
    case ALWAYS:
    default:
        return true;
    }
}

static char *find_browser(GError **error)
{
    static const char *const names[] = {"chromium", "chromium-browser", "google-chrome"};
    if (g_file_test(DEBIAN_CHROMIUM, G_FILE_TEST_IS_EXECUTABLE))
        return g_strdup(DEBIAN_CHROMIUM);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        char *path = g_find_program_in_path(names[i]);
        if (path != NULL)
            return path;
    }
    eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE,
                 "no browser is installed: install Chromium (Debian's package \"chromium\")");
    return NULL;
}

/* A flag as it is written in a configuration or on a command line; "name=false" takes it away. */
static void add_flag(GHashTable *table, const char *flag)
{
    while (*flag == '-')
        flag++;
    g_auto(GStrv) parts = g_strsplit(flag, "=", 2);
    if (parts[0] == NULL || *parts[0] == '\0')
        return;
    if (g_strcmp0(parts[1], "false") == 0)
        g_hash_table_remove(table, parts[0]);
    else if (parts[1] == NULL || strcmp(parts[1], "true") == 0)
        g_hash_table_insert(table, g_strdup(parts[0]), g_strdup_printf("--%s", parts[0]));
    else
        g_hash_table_insert(table, g_strdup(parts[0]), g_strdup_printf("--%s", flag));
}

static void add_value(GHashTable *table, const char *name, const char *value)
{
    g_hash_table_insert(table, g_strdup(name),
                        value != NULL ? g_strdup_printf("--%s=%s", name, value)
                                      : g_strdup_printf("--%s", name));
}

static void add_proxy(GHashTable *table, const char *proxy)
{
    g_autoptr(GUri) uri = g_uri_parse(proxy, G_URI_FLAGS_NONE, NULL);
    const char *host = uri != NULL ? g_uri_get_host(uri) : NULL;
    g_autofree char *rules =
        g_strdup_printf("MAP * ~NOTFOUND , EXCLUDE %s", host != NULL ? host : "localhost");
    add_value(table, "proxy-server", proxy);
    add_value(table, "host-resolver-rules", rules);
}

static bool check_extra_flags(const char *const *extra, GError **error)
{
    for (; extra != NULL && *extra != NULL; extra++) {
        const char *name = *extra + strspn(*extra, "-");
        const gsize length = strcspn(name, "=");
        for (gsize i = 0; i < G_N_ELEMENTS(own_flags); i++) {
            if (strlen(own_flags[i]) == length && strncmp(name, own_flags[i], length) == 0) {
                eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                             "the browser's flag \"%s\" cannot be chosen", own_flags[i]);
                return false;
            }
        }
    }
    return true;
}

/* Chromium would end with a message of its own, which knows nothing of our configuration. */
static bool check_sandbox(const EgBrowserParams *params, GError **error)
{
    if (!params->is_sandboxed || geteuid() != 0)
        return true;
    eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE,
                 "chrome error: enable_chrome_sandbox needs a service that runs as an ordinary "
                 "user, and this one runs as root");
    return false;
}

static GHashTable *collect_flags(const EgBrowserParams *params)
{
    GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autofree char *size = g_strdup_printf("%u,%u", params->width, params->height);
    for (gsize i = 0; i < G_N_ELEMENTS(flags); i++)
        if (applies(flags[i].condition, params))
            add_value(table, flags[i].name, flags[i].value);
    add_value(table, "window-size", size);
    if (params->proxy != NULL)
        add_proxy(table, params->proxy);
    for (const char *const *flag = params->display_flags; flag != NULL && *flag != NULL; flag++)
        add_flag(table, *flag);
    for (const char *const *flag = params->extra_flags; flag != NULL && *flag != NULL; flag++)
        add_flag(table, *flag);
    return table;
}

char **eg_browser_command_new(const EgBrowserParams *params, GError **error)
{
    if (!check_extra_flags(params->extra_flags, error) || !check_sandbox(params, error))
        return NULL;
    char *path = find_browser(error);
    if (path == NULL)
        return NULL;
    g_autoptr(GHashTable) table = collect_flags(params);
    g_autoptr(GPtrArray) command = g_ptr_array_new();
    g_ptr_array_add(command, path);
    g_ptr_array_add(command, g_strdup("--remote-debugging-pipe"));
    g_ptr_array_add(command, g_strdup_printf("--user-data-dir=%s/" PROFILE_FOLDER, params->folder));
    GHashTableIter iter;
    gpointer flag;
    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, NULL, &flag))
        g_ptr_array_add(command, g_strdup(flag));
    g_ptr_array_add(command, g_strdup("about:blank"));
    g_ptr_array_add(command, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&command), FALSE);
}

/* Takes `settings`. */
static bool write_settings(const char *folder, const char *name, json_t *settings, GError **error)
{
    g_assert(settings != NULL);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autoptr(GError) cause = NULL;
    char *text = json_dumps(settings, JSON_COMPACT);
    const bool ok = g_file_set_contents(path, text, -1, &cause);
    free(text);
    json_decref(settings);
    if (!ok)
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "cannot write %s: %s", path,
                     cause->message);
    return ok;
}

bool eg_browser_profile_write(const EgBrowserParams *params, const char *login_origin,
                              GError **error)
{
    g_autofree char *profile = g_build_filename(params->folder, PROFILE_FOLDER, NULL);
    g_autofree char *user = g_build_filename(profile, "Default", NULL);
    if (g_mkdir_with_parents(user, 0700) != 0) {
        eg_error_set_errno(error, errno, "make the folder", user);
        return false;
    }
    /* No dialog asks for a password: the page sees the 401. */
    json_t *state = json_pack("{s:{s:s}}", "auth", "schemes", "");
    if (login_origin != NULL)
        json_object_set_new(json_object_get(state, "auth"), "http_auth_allowed_for_origins",
                            json_pack("[s]", login_origin));
    /* window.print() does nothing. */
    json_t *preferences =
        json_pack("{s:{s:b}, s:b}", "printing", "enabled", 0, "credentials_enable_service", 0);
    if (params->proxy != NULL)
        json_object_set_new(preferences, "webrtc",
                            json_pack("{s:s}", "ip_handling_policy", "disable_non_proxied_udp"));
    return write_settings(profile, "Local State", state, error) &
           write_settings(user, "Preferences", preferences, error);
}
