#include "source/sound-daemon.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "source/sound.h"

#define PROGRAM "pulseaudio"

/* Where the daemon puts its socket if nobody says where; below PULSE_RUNTIME_PATH. */
#define SOCKET_NAME   "native"
#define SOCKET_TARGET 3 /* SD_LISTEN_FDS_START */
#define BACKLOG       16

static const char sink_module[] =
    "module-null-sink norewinds=1 sink_name=" EG_SOUND_DAEMON_SINK
    " format=float32le channels=2 rate=" G_STRINGIFY(EG_SOUND_RATE_HZ);

/* Whoever can enter the folder is known. */
static const char socket_module[] =
    "module-native-protocol-unix auth-anonymous=1 auth-cookie-enabled=0";

/* Browsers take the default rate for theirs. What is heard is never rewound, so that it can be
 * passed on when it is mixed. Nothing is in shared memory: files there outlive who is
 * killed, and for so little the socket is a third cheaper. */
static const char daemon_config[] = "daemonize = no\n"
                                    "system-instance = no\n"
                                    "use-pid-file = no\n"
                                    "allow-exit = no\n"
                                    "allow-module-loading = no\n"
                                    "exit-idle-time = -1\n"
                                    "high-priority = no\n"
                                    "realtime-scheduling = no\n"
                                    "cpu-limit = no\n"
                                    "enable-shm = no\n"
                                    "flat-volumes = no\n"
                                    "enable-deferred-volume = no\n"
                                    "log-target = stderr\n"
                                    "log-level = error\n"
                                    "resample-method = speex-float-1\n"
                                    "default-sample-format = float32le\n"
                                    "default-sample-channels = 2\n"
                                    "default-sample-rate = " G_STRINGIFY(EG_SOUND_RATE_HZ) "\n";

static const char client_config[] = "autospawn = no\n"
                                    "enable-shm = no\n";

struct _EgSoundDaemon {
    char *runtime_path;
    char *server;
    char *cookie_path;
    char **client_environment;
    EgHelper *helper;
};

static bool write_file(const char *folder, const char *name, const char *text, char **path,
                       GError **error)
{
    g_autoptr(GError) cause = NULL;
    *path = g_build_filename(folder, name, NULL);
    if (g_file_set_contents(*path, text, -1, &cause))
        return true;
    eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "cannot configure PulseAudio: %s",
                 cause->message);
    return false;
}

/* systemd's protocol: the socket is there before the daemon, which needs not be waited for. */
static int listen_at(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    /* libpulse splits lists of servers at spaces. */
    if (strlen(path) >= sizeof(address.sun_path) || strpbrk(path, " \t\n") != NULL) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE,
                     "cannot have a socket at \"%s\": the folder for temporary files must have a "
                     "shorter name, without spaces",
                     path);
        return -1;
    }
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    eg_error_set_errno(error, errno, "listen at", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* `base` with `names` and their values; ends with NULL. */
static char **add_variables(const char *const *base, const char *const (*variables)[2], gsize n)
{
    char **environment = g_strdupv((char **)base);
    for (gsize i = 0; i < n; i++)
        environment = g_environ_setenv(environment, variables[i][0], variables[i][1], TRUE);
    return environment;
}

static void set_client_environment(EgSoundDaemon *daemon, const char *client_config_path)
{
    const char *const variables[][2] = {
        {"PULSE_SERVER",       daemon->server                 },
        {"PULSE_SINK",         EG_SOUND_DAEMON_SINK           },
        {"PULSE_SOURCE",       EG_SOUND_DAEMON_SINK ".monitor"},
        {"PULSE_COOKIE",       daemon->cookie_path            },
        {"PULSE_CLIENTCONFIG", client_config_path             },
        {"PULSE_RUNTIME_PATH", daemon->runtime_path           },
    };
    static const char *const nothing[] = {NULL};
    daemon->client_environment = add_variables(nothing, variables, G_N_ELEMENTS(variables));
}

/* LISTEN_PID must be the daemon's own, which is known only to the process that becomes it. */
static const char *const daemon_argv[] = {
    "sh",          "-c",        "export LISTEN_PID=$$; exec \"$@\"",
    "sh",          PROGRAM,     "-n",
    "-L",          sink_module, "-L",
    socket_module, NULL,
};

static char **daemon_environment(const EgSoundDaemon *daemon, const EgSoundDaemonParams *params,
                                 const char *config_path)
{
    const char *const variables[][2] = {
        {"PULSE_CONFIG",             config_path         },
        {"PULSE_RUNTIME_PATH",       daemon->runtime_path},
        {"PULSE_STATE_PATH",         daemon->runtime_path},
        {"LISTEN_FDS",               "1"                 },
        {"DBUS_SESSION_BUS_ADDRESS", "disabled:"         },
        {"DBUS_SYSTEM_BUS_ADDRESS",  "disabled:"         },
    };
    return add_variables(params->environment, variables, G_N_ELEMENTS(variables));
}

/* What lies in the folder, and the socket or -1. */
static int prepare(EgSoundDaemon *daemon, const char *folder, char **config_path, GError **error)
{
    daemon->runtime_path = g_build_filename(folder, "pulse", NULL);
    if (g_mkdir(daemon->runtime_path, 0700) != 0) {
        eg_error_set_errno(error, errno, "make", daemon->runtime_path);
        return -1;
    }
    g_autofree char *client_config_path = NULL;
    if (!write_file(daemon->runtime_path, "daemon.conf", daemon_config, config_path, error) ||
        !write_file(daemon->runtime_path, "client.conf", client_config, &client_config_path, error))
        return -1;
    g_autofree char *socket_path = g_build_filename(daemon->runtime_path, SOCKET_NAME, NULL);
    daemon->server = g_strconcat("unix:", socket_path, NULL);
    daemon->cookie_path = g_build_filename(daemon->runtime_path, "cookie", NULL);
    set_client_environment(daemon, client_config_path);
    return listen_at(socket_path, error);
}

EgSoundDaemon *eg_sound_daemon_new(EgLoop *loop, const EgSoundDaemonParams *params,
                                   void (*exited)(gpointer user, const GError *error),
                                   gpointer user, GError **error)
{
    g_autofree char *program = g_find_program_in_path(PROGRAM);
    if (program == NULL) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE,
                     "cannot record the sound of a page: there is no program \"" PROGRAM
                     "\" (package pulseaudio) on the PATH");
        return NULL;
    }
    g_autoptr(EgSoundDaemon) daemon = g_new0(EgSoundDaemon, 1);
    g_autofree char *config_path = NULL;
    int fd = prepare(daemon, params->folder, &config_path, error);
    if (fd < 0)
        return NULL;
    g_auto(GStrv) environment = daemon_environment(daemon, params, config_path);
    const EgHelperFd fds[] = {
        {fd, SOCKET_TARGET}
    };
    const EgHelperParams helper = {
        .name = "PulseAudio",
        .argv = daemon_argv,
        .environment = (const char *const *)environment,
        .fds = fds,
        .n_fds = G_N_ELEMENTS(fds),
        .log = params->log,
    };
    const EgHelperEvents events = {.exited = exited};
    daemon->helper = eg_helper_new(loop, &helper, &events, user, error);
    close(fd);
    return daemon->helper != NULL ? g_steal_pointer(&daemon) : NULL;
}

void eg_sound_daemon_free(EgSoundDaemon *daemon)
{
    if (daemon == NULL)
        return;
    eg_helper_free(daemon->helper);
    g_strfreev(daemon->client_environment);
    g_free(daemon->cookie_path);
    g_free(daemon->server);
    g_free(daemon->runtime_path);
    g_free(daemon);
}

GPid eg_sound_daemon_pid(const EgSoundDaemon *daemon)
{
    return eg_helper_pid(daemon->helper);
}

const char *eg_sound_daemon_server(const EgSoundDaemon *daemon)
{
    return daemon->server;
}

const char *eg_sound_daemon_cookie_path(const EgSoundDaemon *daemon)
{
    return daemon->cookie_path;
}

const char *const *eg_sound_daemon_client_environment(const EgSoundDaemon *daemon)
{
    return (const char *const *)daemon->client_environment;
}
