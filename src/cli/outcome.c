#include "cli/outcome.h"

#include <string.h>

#include "base/error.h"

#define FIELD_PREFIX "request has missing or invalid field: "

static const struct {
    EgErrorCode code;
    EgBlame blame; /* NONE: whoever it is */
    EgExit exit;
} exits[] = {
    {EG_ERROR_CANCELED,            EG_BLAME_NONE,    EG_EXIT_GIVEN_UP },
    {EG_ERROR_UNAUTHENTICATED,     EG_BLAME_NONE,    EG_EXIT_ROOM     },
    {EG_ERROR_PERMISSION_DENIED,   EG_BLAME_NONE,    EG_EXIT_ROOM     },
    {EG_ERROR_UNAVAILABLE,         EG_BLAME_NONE,    EG_EXIT_ROOM     },
    {EG_ERROR_DEADLINE_EXCEEDED,   EG_BLAME_NONE,    EG_EXIT_ROOM     },
    {EG_ERROR_NOT_FOUND,           EG_BLAME_REQUEST, EG_EXIT_NOT_FOUND},
    {EG_ERROR_INVALID_ARGUMENT,    EG_BLAME_REQUEST, EG_EXIT_USAGE    },
    {EG_ERROR_FAILED_PRECONDITION, EG_BLAME_REQUEST, EG_EXIT_USAGE    },
    {EG_ERROR_UNIMPLEMENTED,       EG_BLAME_REQUEST, EG_EXIT_USAGE    },
};

/* Which options a field of the request comes from. */
static const struct {
    const char *field;
    const char *options;
} field_options[] = {
    {"ws_url",                           "--url or LIVEKIT_URL"                      },
    {"token or api key/secret",
     "--api-key and --api-secret, LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or --token"},
    {"token",                            "--token"                                   },
    {"room_name",                        "--room"                                    },
    {"identity",                         "--participant"                             },
    {"track_id",                         "--track"                                   },
    {"audio_track_id or video_track_id", "--audio-track and --video-track"           },
    {"filepath",                         "--output"                                  },
    {"playlist_name",                    "--output"                                  },
    {"filename_prefix",                  "--output"                                  },
    {"capture_interval",                 "--image-interval"                          },
    {"width",                            "--width"                                   },
    {"height",                           "--height"                                  },
    {"framerate",                        "--framerate"                               },
    {"video_bitrate",                    "--video-bitrate"                           },
    {"audio_bitrate",                    "--audio-bitrate"                           },
    {"audio_frequency",                  "--audio-frequency"                         },
    {"key_frame_interval",               "--key-frame-interval"                      },
    {"preset",                           "--passthrough"                             },
    {"template base url",                "--template"                                },
    {"web url",                          "--web"                                     },
};

EgExit eg_exit_for_error(const GError *error, bool has_recorded)
{
    if (error == NULL)
        return EG_EXIT_FINISHED;
    EgErrorCode code = eg_error_code(error);
    EgBlame blame = eg_error_blame(error);
    if (code == EG_ERROR_CANCELED)
        return EG_EXIT_GIVEN_UP;
    if (blame == EG_BLAME_DESTINATION)
        return EG_EXIT_DESTINATION;
    if (has_recorded)
        return EG_EXIT_FAILED;
    for (gsize i = 0; i < G_N_ELEMENTS(exits); i++) {
        if (exits[i].code == code && (exits[i].blame == EG_BLAME_NONE || exits[i].blame == blame))
            return exits[i].exit;
    }
    return EG_EXIT_FAILED;
}

static const char *options_of(const char *message)
{
    if (!g_str_has_prefix(message, FIELD_PREFIX))
        return NULL;
    const char *field = message + strlen(FIELD_PREFIX);
    for (gsize i = 0; i < G_N_ELEMENTS(field_options); i++) {
        gsize length = strlen(field_options[i].field);
        if (strncmp(field, field_options[i].field, length) == 0 &&
            (field[length] == '\0' || g_str_has_prefix(field + length, " (")))
            return field_options[i].options;
    }
    return NULL;
}

char *eg_error_line(const GError *error)
{
    g_autofree char *message = eg_printable(error->message);
    const char *options = options_of(error->message);
    if (options != NULL)
        return g_strdup_printf("egress: %s: see %s", message, options);
    if (g_str_has_suffix(message, ": it exists"))
        return g_strdup_printf("egress: %s; --overwrite replaces it", message);
    return g_strdup_printf("egress: %s", message);
}

char *eg_printable(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *printable = g_string_new(NULL);
    for (const char *c = valid; *c != '\0'; c = g_utf8_next_char(c)) {
        gunichar letter = g_utf8_get_char(c);
        if (g_unichar_isprint(letter))
            g_string_append_unichar(printable, letter);
        else
            g_string_append_c(printable, '?');
    }
    return g_string_free(printable, FALSE);
}
