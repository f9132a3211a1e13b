#include "service/room-api.h"

#include <jansson.h>
#include <libsoup/soup.h>
#include <string.h>

#include "base/error.h"
#include "room/token.h"

#define TOKEN_VALID_S 600
#define TIMEOUT_S     10

struct _EgRoomApi {
    EgLoop *loop;
    const EgConfig *config;
    SoupSession *session;
    GCancellable *cancellable;
};

/* What runs in the background may end after the API is gone. */
typedef struct {
    SoupMessage *message;
    GCancellable *cancellable;
    void (*done)(gpointer user, const GError *error);
    gpointer user;
} Call;

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

static void free_call(Call *call)
{
    g_object_unref(call->message);
    g_object_unref(call->cancellable);
    g_free(call);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Call, free_call)

EgRoomApi *eg_room_api_new(EgLoop *loop, const EgConfig *config)
{
    eg_loop_assert_owner(loop);
    EgRoomApi *api = g_new0(EgRoomApi, 1);
    api->loop = loop;
    api->config = config;
    api->session = soup_session_new_with_options("timeout", TIMEOUT_S, NULL);
    api->cancellable = g_cancellable_new();
    return api;
}

void eg_room_api_free(EgRoomApi *api)
{
    if (api == NULL)
        return;
    g_cancellable_cancel(api->cancellable);
    g_object_unref(api->cancellable);
    g_object_unref(api->session);
    g_free(api);
}

/* What the server's error (JSON, Twirp) says. */
static void set_refusal(GError **error, guint status, GBytes *body)
{
    gsize size_bytes = 0;
    const char *data = g_bytes_get_data(body, &size_bytes);
    g_autoptr(json_t) reply = json_loadb(data != NULL ? data : "", size_bytes, 0, NULL);
    const char *text = json_string_value(json_object_get(reply, "msg"));
    EgErrorCode code = status == SOUP_STATUS_NOT_FOUND      ? EG_ERROR_NOT_FOUND
                       : status == SOUP_STATUS_UNAUTHORIZED ? EG_ERROR_UNAUTHENTICATED
                                                            : EG_ERROR_UNAVAILABLE;
    if (text != NULL)
        eg_error_set(error, code, EG_BLAME_REQUEST, "%s", text);
    else
        eg_error_set(error, code, EG_BLAME_SERVICE, "room server answered with HTTP status %u",
                     status);
}

static void on_done(GObject *source, GAsyncResult *result, gpointer user)
{
    g_autoptr(Call) call = user;
    g_autoptr(GError) cause = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) body =
        soup_session_send_and_read_finish(SOUP_SESSION(source), result, &cause);
    if (g_cancellable_is_cancelled(call->cancellable))
        return;
    guint status = soup_message_get_status(call->message);
    if (body == NULL)
        eg_error_set_retryable(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                               "room server cannot be reached: %s", cause->message);
    else if (status != SOUP_STATUS_OK)
        set_refusal(&error, status, body);
    call->done(call->user, error);
}

/* http://host/twirp/livekit.RoomService/METHOD for ws://host. */
static GUri *make_uri(const char *ws_url, const char *method)
{
    g_autoptr(GUri) uri = g_uri_parse(ws_url != NULL ? ws_url : "", SOUP_HTTP_URI_FLAGS, NULL);
    if (uri == NULL)
        return NULL;
    const char *scheme = g_uri_get_scheme(uri);
    bool is_tls = strcmp(scheme, "wss") == 0 || strcmp(scheme, "https") == 0;
    g_autofree char *path =
        g_strdup_printf("%s%stwirp/livekit.RoomService/%s", g_uri_get_path(uri),
                        g_str_has_suffix(g_uri_get_path(uri), "/") ? "" : "/", method);
    return g_uri_build(SOUP_HTTP_URI_FLAGS, is_tls ? "https" : "http", NULL, g_uri_get_host(uri),
                       g_uri_get_port(uri), path, NULL, NULL);
}

static char *make_authorization(const EgRoomApi *api, const char *room_name, GError **error)
{
    g_autoptr(json_t) claims =
        json_pack("{s:{s:b, s:s}}", "video", "roomAdmin", 1, "room", room_name);
    char *text = json_dumps(claims, JSON_COMPACT);
    g_autofree char *token =
        eg_token_sign(api->config->api_key, api->config->api_secret, text, TOKEN_VALID_S, error);
    free(text);
    return token != NULL ? g_strconcat("Bearer ", token, NULL) : NULL;
}

typedef struct {
    void (*done)(gpointer user, const GError *error);
    gpointer user;
    GError *error;
} Failure;

static void tell_failure(gpointer data)
{
    const Failure *failure = data;
    failure->done(failure->user, failure->error);
}

static void free_failure(gpointer data)
{
    Failure *failure = data;
    g_error_free(failure->error);
    g_free(failure);
}

void eg_room_api_set_metadata(EgRoomApi *api, const char *room_name, const char *identity,
                              const char *metadata,
                              void (*done)(gpointer user, const GError *error), gpointer user)
{
    GError *error = NULL;
    g_autoptr(GUri) uri = make_uri(api->config->ws_url, "UpdateParticipant");
    g_autofree char *authorization = NULL;
    if (uri == NULL)
        eg_error_set(&error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_SERVICE, "ws_url is not set");
    else
        authorization = make_authorization(api, room_name, &error);
    if (authorization == NULL) {
        Failure *failure = g_new(Failure, 1);
        *failure = (Failure){.done = done, .user = user, .error = error};
        eg_loop_post(api->loop, tell_failure, failure, free_failure);
        return;
    }
    Call *call = g_new(Call, 1);
    *call = (Call){.message = soup_message_new_from_uri(SOUP_METHOD_POST, uri),
                   .cancellable = g_object_ref(api->cancellable),
                   .done = done,
                   .user = user};
    g_autoptr(json_t) request =
        json_pack("{s:s, s:s, s:s}", "room", room_name, "identity", identity, "metadata", metadata);
    char *text = json_dumps(request, JSON_COMPACT);
    g_autoptr(GBytes) body = g_bytes_new_with_free_func(text, strlen(text), free, text);
    soup_message_set_request_body_from_bytes(call->message, "application/json", body);
    soup_message_headers_replace(soup_message_get_request_headers(call->message), "Authorization",
                                 authorization);
    soup_session_send_and_read_async(api->session, call->message, G_PRIORITY_DEFAULT,
                                     api->cancellable, on_done, call);
}
