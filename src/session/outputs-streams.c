/* Streams among the outputs, which come and go. */
#include "session/outputs-private.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "proto/redact.h"
#include "request/stream-url.h"

/* Of those that have not ended; by its URL as it was given, or as it is shown, or by its id. */
static EgMember *find_stream(const EgOutputs *outputs, const char *url)
{
    for (guint i = 0; i < outputs->members->len; i++) {
        EgMember *member = outputs->members->pdata[i];
        if (member->url != NULL && member->state == EG_MEMBER_OPEN && !member->is_removing &&
            (strcmp(member->url, url) == 0 || strcmp(member->name, url) == 0 ||
             g_strcmp0(member->id, url) == 0))
            return member;
    }
    return NULL;
}

bool eg_outputs_add_stream(EgOutputs *outputs, const EgStreamDestination *stream, GError **error)
{
    eg_loop_assert_owner(outputs->loop);
    g_autoptr(EgStreamUrl) parsed = eg_stream_url_parse(stream->url, error);
    if (parsed == NULL)
        return false;
    const EgOutput planned = {.kind = EG_OUTPUT_STREAM,
                              .format = parsed->format,
                              .url = (char *)stream->url,
                              .id = (char *)stream->id};
    bool has_id = stream->id != NULL && find_stream(outputs, stream->id) != NULL;
    if (has_id || find_stream(outputs, stream->url) != NULL) {
        g_autofree char *shown = has_id ? g_strdup(stream->id) : eg_redact_url(stream->url);
        eg_error_set(error, EG_ERROR_ALREADY_EXISTS, EG_BLAME_REQUEST, "stream %s is there already",
                     shown);
        return false;
    }
    if (eg_outputs_add(outputs, &planned, error) == NULL)
        return false;
    eg_report_add_stream(outputs->params.report, &planned, eg_wall_now_ns());
    return true;
}

bool eg_outputs_remove_stream(EgOutputs *outputs, const char *url, GError **error)
{
    eg_loop_assert_owner(outputs->loop);
    EgMember *member = find_stream(outputs, url);
    if (member == NULL) {
        g_autofree char *shown = eg_redact_url(url);
        eg_error_set(error, EG_ERROR_NOT_FOUND, EG_BLAME_REQUEST, "stream %s not found", shown);
        return false;
    }
    member->is_removing = true;
    eg_sink_drain(member->sink);
    return true;
}

bool eg_outputs_are_connecting(const EgOutputs *outputs)
{
    for (guint i = 0; i < outputs->members->len; i++) {
        const EgMember *member = outputs->members->pdata[i];
        if (member->kind == EG_OUTPUT_STREAM && member->state == EG_MEMBER_OPEN &&
            !member->has_started && !member->is_listener)
            return true;
    }
    return false;
}

static char *describe_stream(const EgMember *member)
{
    EgSinkStats stats;
    if (member->state != EG_MEMBER_OPEN)
        return g_strdup(member->state == EG_MEMBER_FAILED ? "failed" : "ended");
    eg_sink_get_stats(member->sink, &stats);
    GString *text = g_string_new("connecting");
    if (stats.is_connected)
        g_string_assign(text, "live");
    else if (stats.started_ns != 0)
        g_string_assign(text, "lost, trying again");
    if (stats.dropped_frames > 0)
        g_string_append_printf(text, ", %" G_GUINT64_FORMAT " frames left out",
                               stats.dropped_frames);
    return g_string_free(text, FALSE);
}

/* Of what is written to a disk. */
static const char *const state_words[] = {
    [EG_MEMBER_NONE] = "",
    [EG_MEMBER_OPEN] = "recording",
    [EG_MEMBER_UPLOADING] = "uploading",
    [EG_MEMBER_DRAINED] = "finished",
    [EG_MEMBER_FAILED] = "failed",
    [EG_MEMBER_REMOVED] = "ended",
};

GPtrArray *eg_outputs_describe(const EgOutputs *outputs)
{
    bool has_lines = outputs->members->len > 1;
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < outputs->members->len; i++) {
        const EgMember *member = outputs->members->pdata[i];
        bool is_stream = member->kind == EG_OUTPUT_STREAM;
        g_autofree char *state =
            is_stream ? describe_stream(member) : g_strdup(state_words[member->state]);
        has_lines = has_lines || is_stream;
        g_ptr_array_add(lines, g_strdup_printf("%s: %s", member->name, state));
    }
    if (!has_lines)
        g_clear_pointer(&lines, g_ptr_array_unref);
    return lines;
}
