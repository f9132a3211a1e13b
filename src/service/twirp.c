/* LiveKit's Egress API (Twirp v7: a POST for each call, JSON or protobuf, errors as JSON). */
#include "service/twirp.h"

#include <jansson.h>
#include <libsoup/soup.h>
#include <string.h>

#include "base/error.h"
#include "base/id.h"
#include "base/time.h"
#include "proto/json.h"
#include "service/api-grant.h"
#include "service/room-api.h"

#define PREFIX "/twirp/livekit.Egress/"

#define MAX_BODY_BYTES (4 * 1024 * 1024)

#define TYPE_JSON     "application/json"
#define TYPE_PROTOBUF "application/protobuf"

struct _EgTwirp {
    EgLoop *loop;
    const EgConfig *config;
    const EgLog *log;
    EgEgresses *egresses;
    EgArchive *archive;
    EgRoomApi *room_api;
    SoupServer *server;
    GPtrArray *calls; /* Call: under way */
};

typedef struct _Call Call;

typedef struct {
    const char *name;
    const ProtobufCMessageDescriptor *request;
    /* Answers, now or later, by one of the two functions below. */
    void (*handle)(Call *call, const ProtobufCMessage *request);
    /* For the methods that start: the case of rpc.StartEgressRequest. */
    Rpc__StartEgressRequest__RequestCase request_case;
} Method;

struct _Call {
    EgTwirp *twirp;
    const Method *method;
    SoupServerMessage *message;
    char *egress_id; /* that it is about */
    bool is_json;
};

/* The HTTP statuses of Twirp. */
static const guint statuses[EG_N_ERRORS] = {
    [EG_ERROR_NONE] = 500,
    [EG_ERROR_CANCELED] = 408,
    [EG_ERROR_INVALID_ARGUMENT] = 400,
    [EG_ERROR_NOT_FOUND] = 404,
    [EG_ERROR_ALREADY_EXISTS] = 409,
    [EG_ERROR_PERMISSION_DENIED] = 403,
    [EG_ERROR_UNAUTHENTICATED] = 401,
    [EG_ERROR_RESOURCE_EXHAUSTED] = 429,
    [EG_ERROR_FAILED_PRECONDITION] = 412,
    [EG_ERROR_ABORTED] = 409,
    [EG_ERROR_UNIMPLEMENTED] = 501,
    [EG_ERROR_UNAVAILABLE] = 503,
    [EG_ERROR_DEADLINE_EXCEEDED] = 408,
    [EG_ERROR_DATA_LOSS] = 500,
    [EG_ERROR_INTERNAL] = 500,
    [EG_ERROR_MALFORMED_REQUEST] = 400,
    [EG_ERROR_MALFORMED_RESULT] = 500,
    [EG_ERROR_NOT_ACCEPTABLE] = 500,
    [EG_ERROR_OUT_OF_RANGE] = 400,
    [EG_ERROR_UNPROCESSABLE_ENTITY] = 500,
    [EG_ERROR_UNKNOWN] = 500,
};

/* What stands for a code that Twirp does not have. */
static const EgErrorCode stand_ins[EG_N_ERRORS] = {
    [EG_ERROR_NONE] = EG_ERROR_UNKNOWN,
    [EG_ERROR_MALFORMED_REQUEST] = EG_ERROR_INVALID_ARGUMENT,
    [EG_ERROR_MALFORMED_RESULT] = EG_ERROR_INTERNAL,
    [EG_ERROR_NOT_ACCEPTABLE] = EG_ERROR_UNKNOWN,
    [EG_ERROR_UNPROCESSABLE_ENTITY] = EG_ERROR_UNKNOWN,
};

static void set_error(SoupServerMessage *message, guint status, const char *code, const char *text)
{
    json_t *object = json_pack("{s:s, s:s}", "code", code, "msg", text);
    char *json = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    soup_server_message_set_status(message, status, NULL);
    soup_server_message_set_response(message, TYPE_JSON, SOUP_MEMORY_COPY, json, strlen(json));
    free(json);
}

static void set_gerror(SoupServerMessage *message, const GError *error)
{
    EgErrorCode code = eg_error_code(error);
    EgErrorCode told = stand_ins[code] != EG_ERROR_NONE ? stand_ins[code] : code;
    set_error(message, statuses[code], eg_error_code_name(told), error->message);
}

static void free_call(gpointer data)
{
    Call *call = data;
    g_object_unref(call->message);
    g_free(call->egress_id);
    g_free(call);
}

/* Ends the call; the connection goes on with its answer. */
static void finish(Call *call)
{
    soup_server_message_unpause(call->message);
    g_ptr_array_remove(call->twirp->calls, call);
}

static void answer_error(Call *call, const GError *error)
{
    set_gerror(call->message, error);
    finish(call);
}

static void answer(Call *call, const ProtobufCMessage *response)
{
    soup_server_message_set_status(call->message, SOUP_STATUS_OK, NULL);
    if (call->is_json) {
        g_autofree char *json = eg_proto_to_json_styled(response, EG_JSON_TWIRP);
        soup_server_message_set_response(call->message, TYPE_JSON, SOUP_MEMORY_COPY, json,
                                         strlen(json));
    } else {
        g_autoptr(GBytes) bytes = eg_proto_pack(response);
        gsize size_bytes;
        const char *data = g_bytes_get_data(bytes, &size_bytes);
        soup_server_message_set_response(call->message, TYPE_PROTOBUF, SOUP_MEMORY_COPY, data,
                                         size_bytes);
    }
    finish(call);
}

static void on_egress_done(gpointer user, const Livekit__EgressInfo *info, const GError *error)
{
    Call *call = user;
    if (error != NULL)
        answer_error(call, error);
    else
        answer(call, &info->base);
}

/* The methods. */

static void handle_start(Call *call, const ProtobufCMessage *message)
{
    /* livekit-server makes the ids where there is one. */
    g_autofree char *egress_id = eg_id_new("EG_");
    Rpc__StartEgressRequest request = RPC__START_EGRESS_REQUEST__INIT;
    request.egress_id = egress_id;
    request.request_case = call->method->request_case;
    /* The members of the union are message pointers, so any of them stands for all. */
    request.participant = (Livekit__ParticipantEgressRequest *)(gpointer)message;
    eg_egresses_start(call->twirp->egresses, &request, on_egress_done, call);
}

/* What livekit-server says when an egress is asked for something that it has no process for. */
static bool find_ended(Call *call, const char *egress_id, const char *cannot_be, GError **error)
{
    EgEgressView view;
    const Livekit__EgressInfo *info = eg_archive_find(call->twirp->archive, egress_id);
    if (info == NULL) {
        eg_error_set(error, EG_ERROR_NOT_FOUND, EG_BLAME_REQUEST, "egress does not exist");
        return true;
    }
    /* One that has ended may have a process for a moment. */
    if (info->status < LIVEKIT__EGRESS_STATUS__EGRESS_COMPLETE &&
        eg_egresses_find(call->twirp->egresses, egress_id, &view))
        return false;
    eg_error_set(
        error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_REQUEST, "egress with status %s cannot be %s",
        protobuf_c_enum_descriptor_get_value(&livekit__egress_status__descriptor, (int)info->status)
            ->name,
        cannot_be);
    return true;
}

static void handle_stop(Call *call, const ProtobufCMessage *message)
{
    const Livekit__StopEgressRequest *request =
        (const Livekit__StopEgressRequest *)(gconstpointer)message;
    g_autoptr(GError) error = NULL;
    if (find_ended(call, request->egress_id, "stopped", &error))
        answer_error(call, error);
    else
        eg_egresses_stop(call->twirp->egresses, request->egress_id, EG_END_STOPPED, on_egress_done,
                         call);
}

static void handle_update_stream(Call *call, const ProtobufCMessage *message)
{
    const Livekit__UpdateStreamRequest *request =
        (const Livekit__UpdateStreamRequest *)(gconstpointer)message;
    g_autoptr(GError) error = NULL;
    if (find_ended(call, request->egress_id, "updated", &error))
        answer_error(call, error);
    else
        eg_egresses_update_stream(call->twirp->egresses, request, on_egress_done, call);
}

static void handle_list(Call *call, const ProtobufCMessage *message)
{
    g_autoptr(GError) error = NULL;
    Livekit__ListEgressResponse *response = eg_archive_list(
        call->twirp->archive, (const Livekit__ListEgressRequest *)(gconstpointer)message, &error);
    if (response == NULL) {
        answer_error(call, error);
        return;
    }
    answer(call, &response->base);
    livekit__list_egress_response__free_unpacked(response, NULL);
}

static void on_layout_updated(gpointer user, const GError *error)
{
    Call *call = user;
    const Livekit__EgressInfo *info = eg_archive_find(call->twirp->archive, call->egress_id);
    if (error == NULL && info != NULL) {
        answer(call, &info->base);
        return;
    }
    g_autoptr(GError) gone = NULL;
    eg_error_set(&gone, EG_ERROR_NOT_FOUND, EG_BLAME_REQUEST, "egress does not exist");
    answer_error(call, error != NULL ? error : gone);
}

/* The layout is the metadata of the egress as a participant of its room. */
static void handle_update_layout(Call *call, const ProtobufCMessage *message)
{
    const Livekit__UpdateLayoutRequest *request =
        (const Livekit__UpdateLayoutRequest *)(gconstpointer)message;
    g_autoptr(GError) error = NULL;
    if (find_ended(call, request->egress_id, "updated", &error)) {
        answer_error(call, error);
        return;
    }
    const Livekit__EgressInfo *info = eg_archive_find(call->twirp->archive, request->egress_id);
    json_t *layout = json_pack("{s:s}", "layout", request->layout);
    char *metadata = json_dumps(layout, JSON_COMPACT);
    call->egress_id = g_strdup(request->egress_id);
    eg_room_api_set_metadata(call->twirp->room_api, info->room_name, info->egress_id, metadata,
                             on_layout_updated, call);
    free(metadata);
    json_decref(layout);
}

#define START(name, message, which)                                                                \
    {                                                                                              \
        name, &livekit__##message##__descriptor, handle_start,                                     \
            RPC__START_EGRESS_REQUEST__REQUEST_##which                                             \
    }

static const Method methods[] = {
    START("StartRoomCompositeEgress", room_composite_egress_request, ROOM_COMPOSITE),
    START("StartWebEgress", web_egress_request, WEB),
    START("StartParticipantEgress", participant_egress_request, PARTICIPANT),
    START("StartTrackCompositeEgress", track_composite_egress_request, TRACK_COMPOSITE),
    START("StartTrackEgress", track_egress_request, TRACK),
    START("StartEgress", start_egress_request, EGRESS),
    {"UpdateLayout", &livekit__update_layout_request__descriptor, handle_update_layout, 0},
    {"UpdateStream", &livekit__update_stream_request__descriptor, handle_update_stream, 0},
    {"ListEgress",   &livekit__list_egress_request__descriptor,   handle_list,          0},
    {"StopEgress",   &livekit__stop_egress_request__descriptor,   handle_stop,          0},
};

/* The way in. */

static const Method *find_method(const char *path)
{
    if (!g_str_has_prefix(path, PREFIX))
        return NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
        if (strcmp(path + strlen(PREFIX), methods[i].name) == 0)
            return &methods[i];
    }
    return NULL;
}

static ProtobufCMessage *parse_request(const Method *method, bool is_json, GBytes *body,
                                       GError **error)
{
    gsize size_bytes = 0;
    const guint8 *data = g_bytes_get_data(body, &size_bytes);
    if (is_json)
        return eg_proto_from_json((const char *)data, size_bytes, method->request, error);
    ProtobufCMessage *request = eg_proto_unpack(method->request, data, size_bytes);
    if (request == NULL)
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "the body is no %s in protobuf", method->request->name);
    return request;
}

static bool is_allowed(const EgTwirp *twirp, SoupServerMessage *message, GError **error)
{
    const char *authorization = soup_message_headers_get_one(
        soup_server_message_get_request_headers(message), "Authorization");
    return eg_api_grant_check(authorization, twirp->config->api_key, twirp->config->api_secret,
                              eg_wall_now_ns(), error);
}

static void on_request(SoupServer *server, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer user)
{
    EgTwirp *twirp = user;
    (void)server;
    (void)query;
    g_autoptr(GError) error = NULL;
    const Method *method = find_method(path);
    const char *type = soup_message_headers_get_content_type(
        soup_server_message_get_request_headers(message), NULL);
    bool is_json = g_strcmp0(type, TYPE_JSON) == 0;
    if (method == NULL || strcmp(soup_server_message_get_method(message), "POST") != 0) {
        g_autofree char *text = g_strdup_printf("no handler for path \"%s\"", path);
        set_error(message, SOUP_STATUS_NOT_FOUND, "bad_route", text);
        return;
    }
    if (!is_json && g_strcmp0(type, TYPE_PROTOBUF) != 0) {
        g_autofree char *text = g_strdup_printf(
            "unexpected Content-Type: \"%s\"; it must be " TYPE_JSON " or " TYPE_PROTOBUF,
            type != NULL ? type : "");
        set_error(message, SOUP_STATUS_NOT_FOUND, "bad_route", text);
        return;
    }
    if (!is_allowed(twirp, message, &error)) {
        set_gerror(message, error);
        return;
    }
    g_autoptr(GBytes) body =
        soup_message_body_flatten(soup_server_message_get_request_body(message));
    ProtobufCMessage *request = parse_request(method, is_json, body, &error);
    if (request == NULL) {
        set_error(message, SOUP_STATUS_BAD_REQUEST, "malformed", error->message);
        return;
    }
    Call *call = g_new0(Call, 1);
    call->twirp = twirp;
    call->method = method;
    call->message = g_object_ref(message);
    call->is_json = is_json;
    g_ptr_array_add(twirp->calls, call);
    soup_server_message_pause(message);
    method->handle(call, request);
    protobuf_c_message_free_unpacked(request, NULL);
}

/* Whoever sends more than any request has is cut off before it is all in memory. */
static void on_chunk(SoupServerMessage *message, GBytes *chunk, gpointer user)
{
    (void)chunk;
    (void)user;
    if (soup_server_message_get_request_body(message)->length > MAX_BODY_BYTES)
        g_io_stream_close(soup_server_message_steal_connection(message), NULL, NULL);
}

static void on_started(SoupServer *server, SoupServerMessage *message, gpointer user)
{
    (void)server;
    (void)user;
    g_signal_connect(message, "got-chunk", G_CALLBACK(on_chunk), NULL);
}

static bool listen_on(EgTwirp *twirp, GError **error)
{
    const char *host =
        twirp->config->http_address != NULL ? twirp->config->http_address : "127.0.0.1";
    guint port = twirp->config->http_port;
    g_autoptr(GError) cause = NULL;
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new_from_string(host, port);
    if (address == NULL) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "http_address: %s is no IP address", host);
        return false;
    }
    if (soup_server_listen(twirp->server, address, 0, &cause))
        return true;
    eg_error_set(error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                 "http_port: cannot listen on %s:%u: %s", host, port, cause->message);
    return false;
}

EgTwirp *eg_twirp_new(EgLoop *loop, const EgConfig *config, EgEgresses *egresses,
                      EgArchive *archive, const EgLog *log, GError **error)
{
    g_autoptr(EgTwirp) twirp = g_new0(EgTwirp, 1);
    twirp->loop = loop;
    twirp->config = config;
    twirp->log = log;
    twirp->egresses = egresses;
    twirp->archive = archive;
    twirp->room_api = eg_room_api_new(loop, config);
    twirp->calls = g_ptr_array_new_with_free_func(free_call);
    twirp->server = soup_server_new("server-header", "egress", NULL);
    soup_server_add_handler(twirp->server, NULL, on_request, twirp, NULL);
    g_signal_connect(twirp->server, "request-started", G_CALLBACK(on_started), NULL);
    if (!listen_on(twirp, error))
        return NULL;
    eg_info(log, "serving the Egress API", EG_INT("port", eg_twirp_port(twirp)));
    return g_steal_pointer(&twirp);
}

void eg_twirp_free(EgTwirp *twirp)
{
    if (twirp == NULL)
        return;
    soup_server_disconnect(twirp->server);
    g_object_unref(twirp->server);
    eg_room_api_free(twirp->room_api);
    g_ptr_array_unref(twirp->calls);
    g_free(twirp);
}

guint eg_twirp_port(const EgTwirp *twirp)
{
    g_autoslist(GUri) uris = soup_server_get_uris(twirp->server);
    return uris != NULL ? (guint)g_uri_get_port(uris->data) : 0;
}
