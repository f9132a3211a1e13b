#include "session/output-names.h"

#include <string.h>

#include "proto/redact.h"

void eg_output_names_clear(EgOutputNames *names)
{
    g_free(names->path);
    g_free(names->prefix);
    g_free(names->playlist);
    g_free(names->live_playlist);
}

static bool expand_file(const EgOutput *planned, EgFormat format, const EgFilenameFacts *facts,
                        EgOutputNames *names, GError **error)
{
    names->path = eg_filename_expand(planned->path_template, format, facts, error);
    return names->path != NULL;
}

static bool expand_segments(const EgOutput *planned, EgFormat format, const EgFilenameFacts *facts,
                            EgOutputNames *names, GError **error)
{
    (void)format;
    const char *live = planned->segments.live_playlist_template;
    names->prefix = eg_filename_expand_prefix(planned->path_template, facts, error);
    if (names->prefix == NULL)
        return false;
    names->playlist =
        eg_filename_expand_playlist(planned->segments.playlist_template, facts, error);
    if (names->playlist == NULL || live == NULL)
        return names->playlist != NULL;
    names->live_playlist = eg_filename_expand_playlist(live, facts, error);
    return names->live_playlist != NULL;
}

static bool expand_images(const EgOutput *planned, EgFormat format, const EgFilenameFacts *facts,
                          EgOutputNames *names, GError **error)
{
    (void)format;
    names->prefix = eg_filename_expand_prefix(planned->path_template, facts, error);
    if (names->prefix == NULL)
        return false;
    /* One file that is replaced has nothing to be told from. */
    if (planned->suffix == EG_SUFFIX_NONE && g_str_has_suffix(names->prefix, "_"))
        names->prefix[strlen(names->prefix) - 1] = '\0';
    return true;
}

typedef bool (*ExpandFunc)(const EgOutput *planned, EgFormat format, const EgFilenameFacts *facts,
                           EgOutputNames *names, GError **error);

/* By EgOutputKind. */
static const struct {
    EgSinkKind sink;
    ExpandFunc expand; /* NULL: it has no names */
} rows[EG_N_OUTPUTS] = {
    [EG_OUTPUT_FILE] = {EG_SINK_FILE,      expand_file    },
    [EG_OUTPUT_SEGMENTS] = {EG_SINK_SEGMENTS,  expand_segments},
    [EG_OUTPUT_STREAM] = {EG_SINK_STREAM,    NULL           },
    [EG_OUTPUT_WEBSOCKET] = {EG_SINK_WEBSOCKET, NULL           },
    [EG_OUTPUT_IMAGES] = {EG_SINK_IMAGES,    expand_images  },
};

bool eg_output_names_expand(const EgOutput *planned, EgFormat format, const EgFilenameFacts *facts,
                            EgOutputNames *names, GError **error)
{
    return rows[planned->kind].expand == NULL ||
           rows[planned->kind].expand(planned, format, facts, names, error);
}

EgSinkKind eg_output_sink_kind(EgOutputKind kind)
{
    return rows[kind].sink;
}

static char *in_spool(const char *key, const EgSpool *spool, guint output)
{
    return key != NULL ? eg_spool_path(spool, output, key) : NULL;
}

void eg_output_names_in_spool(const EgOutputNames *keys, const EgSpool *spool, guint output,
                              EgOutputNames *names)
{
    *names = (EgOutputNames){
        .path = in_spool(keys->path, spool, output),
        .prefix = in_spool(keys->prefix, spool, output),
        .playlist = in_spool(keys->playlist, spool, output),
        .live_playlist = in_spool(keys->live_playlist, spool, output),
    };
}

static char *text_of(char *name)
{
    return name != NULL ? name : (char *)"";
}

bool eg_output_names_note(const EgOutputNames *keys, EgFormat format, EgSpool *spool, guint output,
                          GError **error)
{
    Egress__SpoolOutput noted = EGRESS__SPOOL_OUTPUT__INIT;
    Egress__SpoolRecord record = EGRESS__SPOOL_RECORD__INIT;
    noted.output = output;
    noted.format = (char *)eg_format_info(format)->name;
    noted.path = text_of(keys->path);
    noted.prefix = text_of(keys->prefix);
    noted.playlist = text_of(keys->playlist);
    noted.live_playlist = text_of(keys->live_playlist);
    record.record_case = EGRESS__SPOOL_RECORD__RECORD_OUTPUT;
    record.output = &noted;
    return eg_spool_note(spool, &record, true, error);
}

static char *name_of(const char *text)
{
    return *text != '\0' ? g_strdup(text) : NULL;
}

void eg_output_names_read(const Egress__SpoolOutput *noted, EgOutputNames *keys, EgFormat *format)
{
    *format = EG_FORMAT_NONE;
    for (guint i = EG_FORMAT_NONE; i < EG_N_FORMATS; i++) {
        if (strcmp(eg_format_info((EgFormat)i)->name, noted->format) == 0)
            *format = (EgFormat)i;
    }
    *keys = (EgOutputNames){
        .path = name_of(noted->path),
        .prefix = name_of(noted->prefix),
        .playlist = name_of(noted->playlist),
        .live_playlist = name_of(noted->live_playlist),
    };
}

char *eg_output_names_folder(const EgOutputNames *names)
{
    const char *name = names->playlist != NULL ? names->playlist : names->prefix;
    return g_path_get_dirname(names->path != NULL ? names->path : name);
}

char *eg_output_names_manifest(const char *folder, const char *egress_id)
{
    g_autofree char *name = g_strconcat(egress_id, ".json", NULL);
    return strcmp(folder, ".") == 0 ? g_steal_pointer(&name) : g_build_filename(folder, name, NULL);
}

char *eg_output_names_describe(const EgOutput *planned, const EgOutputNames *names)
{
    if (planned->url != NULL)
        return eg_redact_url(planned->url);
    if (names->playlist != NULL)
        return g_strdup(names->playlist);
    if (planned->kind == EG_OUTPUT_IMAGES)
        return g_strconcat(names->prefix,
                           planned->suffix == EG_SUFFIX_NONE ? planned->images.extension : "…",
                           NULL);
    return g_strdup(names->path != NULL ? names->path : names->prefix);
}

EgSinkParams eg_output_sink_params(const EgOutput *planned, EgFormat format,
                                   const EgOutputNames *names)
{
    return (EgSinkParams){
        .format = format,
        .path = names->path,
        .url = planned->url,
        .series =
            {
                     .prefix = names->prefix,
                     .ending = planned->kind == EG_OUTPUT_IMAGES
                              ? planned->images.extension
                              : eg_format_info(planned->format)->extension,
                     .suffix = planned->suffix,
                     },
        .segments =
            {
                     .playlist = names->playlist,
                     .live_playlist = names->live_playlist,
                     .live_segments = planned->segments.live_segments,
                     .duration_ns = planned->segments.duration_ns,
                     },
        .images =
            {
                     .format = planned->images.format,
                     .interval_ns = planned->images.interval_ns,
                     .width = planned->images.width,
                     .height = planned->images.height,
                     },
    };
}
