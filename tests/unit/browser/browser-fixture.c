#include "browser-fixture.h"

#include <string.h>

#include "base/error.h"
#include "mock/certificates.h"

/* What a page is, by its path; others are not there. */
static const struct {
    const char *path;
    int status;
    const char *body; /* in a <body>; NULL: nothing */
} pages[] = {
    {"/still",               200, "still"                                                                    },
    {"/signals",             200,
     "<script>console.log('x', 'START_RECORDING'); onload = () => "
     "setTimeout(() => console.info('END_RECORDING'), 0)</script>"                                           },
    {"/late",                200,
     "<script>onload = () => setTimeout(() => console.log('START_RECORDING'), 0)"
     "</script>"                                                                                             },
    {"/layouts",             200,
     "<script>console.log('START_RECORDING'); console.log('LAYOUT', 'grid'); onload = () => "
     "fetch('/gate').then(() => console.log('LAYOUT', 'speaker'))</script>"                                  },
    {"/not-quite",           200,
     "<script>console.log('START_RECORDING\\u0000', 'START_RECORDING ', "
     "['START_RECORDING'], {a: 'START_RECORDING'}); console.log('\\ud800'); "
     "console.log('END_RECORDING')</script>"                                                                 },
    {"/missing",             404, "nobody here"                                                              },
    {"/missing-empty",       404, NULL                                                                       },
    {"/broken",              503, "broken"                                                                   },
    {"/private/late",        200,
     "<script>const also = host => fetch(`http://${host}:${location.port}/private/also`, "
     "{mode: 'no-cors'});"
     "onload = async () => { await also('127.0.0.1'); await also('localhost'); "
     "console.log('START_RECORDING') }</script>"                                                             },
    {"/private/also",        200, "and you"                                                                  },
    {"/password",            401, "who are you"                                                              },
    {"/template-error",      200, "<div class=error>\n  could not   connect\xe2\x80\xa6 </div>"              },
    {"/template-error-late", 200,
     "<div></div><script>onload = () => fetch('/gate').then(() => { const d = "
     "document.querySelector('div'); d.className = 'error'; d.textContent = 'no room' })</script>"           },
    {"/template-fine",       200, "<div class=error></div>"                                                  },
    {"/forwards",            200, "<script>location.replace('/late')</script>"                               },
    {"/forwards-nowhere",    200, "<script>location.replace('http://127.0.0.1:1/')</script>"                 },
    {"/leaves",              200,
     "<script>onload = () => setTimeout(() => { location.replace(`http://localhost:${location.port}"
     "/missing`); for (const t = Date.now(); Date.now() - t < 1000;); })</script>"                           },
    {"/endless",             200, "<img src=/never>"                                                         },
    {"/hangs",               200, "<script>for (;;);</script>"                                               },
    {"/hangs-later",         200,
     "<script>console.log('START_RECORDING'); onload = () => fetch('/gate').then(() => { for (;;);"
     " })</script>"                                                                                          },
    {"/hangs-waiting",       200,
     "<script>onload = () => fetch('/gate').then(() => { for (;;); })</script>"                              },
    {"/dialogs",             200,
     "<script>alert(1); console.log('confirm ' + confirm('?')); "
     "console.log('prompt ' + prompt('?')); print(); "
     "console.log('START_RECORDING')</script>"                                                               },
    {"/windows",             200,
     "<script>console.log('window ' + open('/opened')); "
     "const a = document.createElement('a'); a.href = '/opened'; "
     "a.target = '_blank'; document.body.append(a); a.click(); close(); "
     "console.log('START_RECORDING')</script>"                                                               },
    {"/prompts",             200,
     "<input type=file id=i><script>(async () => { const no = e => e.name ?? e.message ?? e.code;"
     "const s = []; s.push(await new Promise(r => navigator.geolocation.getCurrentPosition("
     "() => r('yes'), e => r(e.code)))); s.push(await Notification.requestPermission());"
     "s.push(await navigator.permissions.query({name: 'camera'}).then(p => p.state));"
     "s.push(await navigator.permissions.query({name: 'microphone'}).then(p => p.state));"
     "s.push(await navigator.requestMIDIAccess({sysex: true}).then(() => 'yes', no));"
     "s.push(await document.body.requestFullscreen().then(() => 'yes', no)); i.click();"
     "s.push(await fetch('/password').then(r => r.status));"
     "console.log('answers ' + s.join()); console.log('START_RECORDING') })()</script>"                      },
    {"/download",            200,
     "<script>onload = () => { location = '/file'; console.log('START_RECORDING') }</script>"                },
    {"/unload",              200, "<script>onbeforeunload = e => { e.preventDefault(); return '?' }</script>"},
    {"/floods",              200,
     "<script>for (let i = 0; i < 500; i++) console.log('line ' + i);"
     "console.log('x'.repeat(20 << 20)); console.log('START_RECORDING')</script>"                            },
    {"/starts",              200, "<script>console.log('START_RECORDING')</script>"                          },
    {"/goes-on",             200,
     "<script>requestAnimationFrame = setTimeout = () => {}; onload = () => "
     "fetch('/gate').then(() => location.replace('/starts'))</script>"                                       },
    {"/frame",               200, "<iframe src='/still' id=f></iframe>"                                      },
};

static void on_request(SoupServer *server, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer user)
{
    Fixture *f = user;
    (void)server;
    (void)query;
    g_string_append_printf(f->requests, "%s ", path);
    if (g_test_verbose())
        g_printerr("GET %s\n", path);
    if (strcmp(path, "/never") == 0 || strcmp(path, "/gate") == 0) {
        soup_server_message_pause(message);
        if (strcmp(path, "/gate") == 0)
            f->gate = message;
        return;
    }
    if (strcmp(path, "/file") == 0) {
        soup_message_headers_append(soup_server_message_get_response_headers(message),
                                    "Content-Disposition", "attachment; filename=file.bin");
        soup_server_message_set_response(message, "application/octet-stream", SOUP_MEMORY_STATIC,
                                         "data", 4);
        soup_server_message_set_status(message, 200, NULL);
        return;
    }
    soup_server_message_set_status(message, 404, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(pages); i++) {
        if (strcmp(pages[i].path, path) != 0)
            continue;
        soup_server_message_set_status(message, (guint)pages[i].status, NULL);
        if (pages[i].status == 401)
            soup_message_headers_append(soup_server_message_get_response_headers(message),
                                        "WWW-Authenticate", "Basic realm=\"x\"");
        g_autofree char *body = g_strdup_printf("<!doctype html><meta charset=utf-8><body>%s",
                                                pages[i].body != NULL ? pages[i].body : "");
        if (pages[i].body != NULL)
            soup_server_message_set_response(message, "text/html", SOUP_MEMORY_COPY, body,
                                             strlen(body));
    }
}

static void on_ready(gpointer user)
{
    g_string_append(((Fixture *)user)->events, "ready ");
}

static void on_loaded(gpointer user)
{
    g_string_append(((Fixture *)user)->events, "loaded ");
}

static void on_painted(gpointer user)
{
    g_string_append(((Fixture *)user)->events, "painted ");
}

static void on_signaled(gpointer user, EgBrowserSignal signal, const char *value)
{
    static const char *const names[EG_N_BROWSER_SIGNALS] = {
        [EG_BROWSER_SIGNAL_START] = "START",
        [EG_BROWSER_SIGNAL_END] = "END",
        [EG_BROWSER_SIGNAL_LAYOUT] = "LAYOUT:",
    };
    g_string_append_printf(((Fixture *)user)->events, "%s%s ", names[signal],
                           value != NULL ? value : "");
}

static void on_crashed(gpointer user, const GError *error)
{
    Fixture *f = user;
    g_string_append(f->events, "crashed ");
    g_clear_error(&f->error);
    f->error = g_error_copy(error);
}

static void on_failed(gpointer user, const GError *error)
{
    Fixture *f = user;
    g_string_append(f->events, "failed ");
    g_clear_error(&f->error);
    f->error = g_error_copy(error);
}

static const char *get_proxy_error(gpointer user, const char *host)
{
    Fixture *f = user;
    return f->guard != NULL ? eg_page_guard_error(f->guard, host) : NULL;
}

static const EgBrowserEvents events = {
    .ready = on_ready,
    .loaded = on_loaded,
    .painted = on_painted,
    .signaled = on_signaled,
    .crashed = on_crashed,
    .failed = on_failed,
    .proxy_error = get_proxy_error,
};

static void on_log_line(const char *line, gpointer user)
{
    Fixture *f = user;
    g_string_append_printf(f->lines, "%s\n", line);
    if (g_test_verbose())
        g_printerr("%s\n", line);
}

static char *url_of(SoupServer *server, const char *path)
{
    GSList *uris = soup_server_get_uris(server);
    g_autofree char *base = g_uri_to_string(uris->data);
    g_slist_free_full(uris, (GDestroyNotify)g_uri_unref);
    return g_strconcat(base, path + 1, NULL);
}

static gboolean on_login(SoupAuthDomain *domain, SoupServerMessage *message, const char *user,
                         const char *password, gpointer data)
{
    (void)domain;
    (void)message;
    (void)data;
    return strcmp(user, "j\xc3\xb6rg") == 0 && strcmp(password, "pass@login-of-a-page:word") == 0;
}

static void add_private_part(SoupServer *server)
{
    SoupAuthDomain *domain =
        soup_auth_domain_basic_new("realm", "private", "auth-callback", on_login, NULL);
    soup_auth_domain_add_path(domain, "/private");
    soup_server_add_auth_domain(server, domain);
    g_object_unref(domain);
}

static SoupServer *new_server(Fixture *f, GTlsCertificate *certificate)
{
    g_autoptr(GError) error = NULL;
    SoupServer *server = soup_server_new("tls-certificate", certificate, NULL);
    soup_server_add_handler(server, NULL, on_request, f, NULL);
    add_private_part(server);
    soup_server_listen_local(server, 0,
                             SOUP_SERVER_LISTEN_IPV4_ONLY |
                                 (certificate != NULL ? SOUP_SERVER_LISTEN_HTTPS : 0),
                             &error);
    g_assert_no_error(error);
    return server;
}

static GTlsCertificate *new_certificate(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    const char *folder = eg_run_folder_path(f->folder);
    certificates_make_authority(folder, "nobody");
    certificates_make(folder, "page", "nobody", "IP:127.0.0.1");
    g_autofree char *path = certificates_path(folder, "page");
    g_autofree char *key = certificates_path(folder, "page-key");
    GTlsCertificate *certificate = g_tls_certificate_new_from_files(path, key, &error);
    g_assert_no_error(error);
    return certificate;
}

static void set_up_browser(Fixture *f)
{
    static const char *const display_flags[] = {"--ozone-platform=headless", NULL};
    g_autoptr(GError) error = NULL;
    f->folder = eg_run_folder_new(NULL, &error);
    g_assert_no_error(error);
    f->environment = eg_run_folder_environment(f->folder);
    f->events = g_string_new(NULL);
    f->params = (EgBrowserParams){
        .folder = eg_run_folder_path(f->folder),
        .width = 640,
        .height = 360,
        .environment = (const char *const *)f->environment,
        .display_flags = display_flags,
        .log = f->log,
    };
}

void fixture_set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    f->lines = g_string_new(NULL);
    eg_log_setup(EG_LOG_DEBUG, false);
    eg_log_set_writer(on_log_line, f);
    f->loop = eg_loop_new();
    f->log = eg_log_new(NULL, NULL, NULL);
    f->requests = g_string_new(NULL);
    f->server = new_server(f, NULL);
    set_up_browser(f);
}

void fixture_set_up_beside(Fixture *f, const Fixture *beside)
{
    *f = (Fixture){.loop = beside->loop, .log = beside->log, .server = beside->server};
    set_up_browser(f);
}

/* All were killed; the kernel may still be taking them apart. */
static void wait_for_no_process(const Fixture *f)
{
    guint n = 1;
    while (n > 0) {
        g_autoptr(GArray) left = fixture_processes(eg_run_folder_path(f->folder), NULL);
        n = left->len;
        g_thread_yield();
    }
}

void fixture_tear_down_beside(Fixture *f)
{
    eg_browser_free(f->browser);
    wait_for_no_process(f);
    g_clear_error(&f->error);
    g_string_free(f->events, TRUE);
    g_strfreev(f->environment);
    eg_run_folder_free(f->folder);
}

void fixture_tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_tear_down_beside(f);
    soup_server_disconnect(f->server);
    g_object_unref(f->server);
    if (f->tls_server != NULL)
        soup_server_disconnect(f->tls_server);
    g_clear_object(&f->tls_server);
    g_string_free(f->requests, TRUE);
    eg_log_set_writer(NULL, NULL);
    eg_log_free(f->log);
    eg_loop_free(f->loop);
    g_string_free(f->lines, TRUE);
}

void fixture_try_to_start(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    f->browser = eg_browser_new(f->loop, &f->params, &events, f, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(f->events->str, ==, "");
}

void fixture_start(Fixture *f)
{
    fixture_try_to_start(f);
    fixture_wait(f, "ready ");
}

char *fixture_url(Fixture *f, const char *path)
{
    return url_of(f->server, path);
}

char *fixture_tls_url(Fixture *f, const char *path)
{
    if (f->tls_server == NULL) {
        g_autoptr(GTlsCertificate) certificate = new_certificate(f);
        f->tls_server = new_server(f, certificate);
    }
    return url_of(f->tls_server, path);
}

void fixture_open(Fixture *f, const char *path)
{
    g_autofree char *url = fixture_url(f, path);
    eg_browser_open(f->browser, url);
}

void fixture_open_gate(Fixture *f)
{
    while (f->gate == NULL)
        eg_loop_iterate(f->loop, true);
    soup_server_message_set_status(f->gate, 200, NULL);
    soup_server_message_unpause(f->gate);
    f->gate = NULL;
}

static guint count_words(const char *text)
{
    guint n = 0;
    for (; *text != '\0'; text++)
        n += *text == ' ';
    return n;
}

void fixture_wait(Fixture *f, const char *expected)
{
    while (count_words(f->events->str) < count_words(expected))
        eg_loop_iterate(f->loop, true);
    if (f->error != NULL && strstr(expected, "failed") == NULL &&
        strstr(expected, "crashed") == NULL)
        g_test_message("%s", f->error->message);
    g_assert_cmpstr(f->events->str, ==, expected);
}

void fixture_wait_for_request(Fixture *f, const char *path)
{
    while (strstr(f->requests->str, path) == NULL)
        eg_loop_iterate(f->loop, true);
}

void fixture_wait_for_line(Fixture *f, const char *text)
{
    while (strstr(f->lines->str, text) == NULL)
        eg_loop_iterate(f->loop, true);
}

/* Arguments are separated by NUL: as spaces. */
static char *command_line_of(const char *pid)
{
    g_autofree char *path = g_build_filename("/proc", pid, "cmdline", NULL);
    char *line = NULL;
    gsize size_bytes = 0;
    if (!g_file_get_contents(path, &line, &size_bytes, NULL))
        return NULL;
    for (gsize i = 0; i < size_bytes; i++)
        if (line[i] == '\0')
            line[i] = ' ';
    return line;
}

GArray *fixture_processes(const char *text, const char *type)
{
    GArray *pids = g_array_new(FALSE, FALSE, sizeof(int));
    g_autofree char *flag = type != NULL ? g_strconcat("--type=", type, NULL) : g_strdup("");
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *line = g_ascii_isdigit(*name) ? command_line_of(name) : NULL;
        if (line == NULL || strstr(line, text) == NULL || strstr(line, flag) == NULL)
            continue;
        const int pid = (int)g_ascii_strtoll(name, NULL, 10);
        g_array_append_val(pids, pid);
    }
    return pids;
}
