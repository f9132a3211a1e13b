#include "cli/serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/outcome.h"
#include "config/config.h"
#include "media/encoder.h"
#include "service/service.h"

/* It is installed with the program. */
#define STANDARD_ENCODER "x264"

static void print_error(const GError *error)
{
    g_autofree char *line = eg_error_line(error);
    fprintf(stderr, "%s\n", line);
}

static EgExit fail(const GError *error)
{
    print_error(error);
    return eg_exit_for_error(error, false);
}

static bool parse_args(const char *const *args, char **path, char **body, char **help,
                       GError **error)
{
    gboolean wants_help = FALSE;
    g_auto(GStrv) rest = NULL;
    const GOptionEntry entries[] = {
        {"config",      'c', 0, G_OPTION_ARG_FILENAME, path, "Read the configuration from FILE", "FILE"},
        {"config-body",            0, 0, G_OPTION_ARG_STRING, body, "The configuration itself", "YAML"},
        {"help",         'h', 0, G_OPTION_ARG_NONE, &wants_help, "Show this text", NULL},
        {G_OPTION_REMAINING,       0, 0, G_OPTION_ARG_STRING_ARRAY, &rest, NULL, NULL},
        {0},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_summary(
        context,
        "Serves LiveKit's egress requests: behind a livekit-server, over the Redis that the\n"
        "configuration names, or without Redis by LiveKit's HTTP API.");
    g_option_context_add_main_entries(context, entries, NULL);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_strv_builder_add(builder, "egress serve");
    for (gsize i = 0; args[i] != NULL; i++)
        g_strv_builder_add(builder, args[i]);
    g_auto(GStrv) argv = g_strv_builder_end(builder);
    if (!g_option_context_parse_strv(context, &argv, error))
        return false;
    if (rest != NULL) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION, "serve: %s is no option",
                    rest[0]);
        return false;
    }
    if (wants_help)
        *help = g_option_context_get_help(context, TRUE, NULL);
    return true;
}

/* An encoder that the configuration names and this machine lacks is told at once, and not by the
 * first egress that fails. A process of its own looks: GStreamer is no part of the service's. */
static bool has_encoder(const EgConfig *config)
{
    if (strcmp(config->video_encoder.h264, STANDARD_ENCODER) == 0)
        return true;
    pid_t child = fork();
    if (child == 0) {
        g_autoptr(GError) error = NULL;
        if (eg_encoder_check(EG_CODEC_H264, &config->video_encoder, &error))
            _exit(EXIT_SUCCESS);
        print_error(error);
        fflush(stderr);
        _exit(EXIT_FAILURE);
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

int eg_serve_main(const char *const *args)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    g_autofree char *given = NULL;
    g_autofree char *help = NULL;
    if (!parse_args(args, &path, &given, &help, &error)) {
        fprintf(stderr, "%s; egress serve --help shows what there is\n", error->message);
        return EG_EXIT_USAGE;
    }
    if (help != NULL) {
        fputs(help, stdout);
        return EG_EXIT_FINISHED;
    }
    g_auto(GStrv) environment = g_get_environ();
    const char *const *variables = (const char *const *)environment;
    g_autofree char *source = NULL;
    g_autofree char *body = eg_config_find(path, given, variables, &source, &error);
    if (body == NULL)
        return (int)fail(error);
    g_autoptr(EgConfig) config = eg_config_parse(body, source, variables, &error);
    if (config == NULL) {
        print_error(error);
        return EG_EXIT_USAGE;
    }
    if (!has_encoder(config))
        return EG_EXIT_FAILED;
    eg_log_setup(config->log_level, config->log_json);
    for (guint i = 0; i < config->warnings->len; i++)
        eg_warn(NULL, config->warnings->pdata[i]);
    return eg_service_run(config, body, variables, &error) ? EG_EXIT_FINISHED : (int)fail(error);
}
