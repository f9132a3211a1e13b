#pragma once

#include "bus/psrpc-message.h"
#include "mock/mock-redis.h"
#include "unit/bus/psrpc-methods.h"

/* Servers and clients of psrpc in one loop, on the Redis in memory; and the hands to play either
 * side message by message. */

typedef struct {
    EgLoop *loop;
    EgRedis *redis; /* of the servers */
    EgRedis *client_redis;
    EgPsrpcServer *server;
    EgPsrpcServer *other;
    EgPsrpcClient *client; /* of the service that the test names, by psrpc_make_client() */
} PsrpcFixture;

void psrpc_set_up(PsrpcFixture *f, gconstpointer user);
void psrpc_tear_down(PsrpcFixture *f, gconstpointer user);
void psrpc_make_client(PsrpcFixture *f, const char *service);

/* Runs what is ready. */
void psrpc_drain(PsrpcFixture *f);

#define PSRPC_WAIT(f, condition)                                                                   \
    do {                                                                                           \
        while (!(condition))                                                                       \
            eg_loop_iterate((f)->loop, true);                                                      \
    } while (0)

/* A handler that answers with an EgressInfo of the egress that was asked for. */
typedef struct {
    float affinity;  /* 0: no bid */
    bool keeps_call; /* answers only when the test does */
    bool removes_itself_when_asked;
    bool removes_itself_when_called;
    GError *error; /* borrowed; fails with it */
    EgPsrpcHandler *handler;
    EgPsrpcCall *call;
    guint n_registered;
    guint n_asked;
    guint n_handled;
    char egress_id[32];
} PsrpcPeer;

void psrpc_add(EgPsrpcServer *server, const EgPsrpcMethod *method, const char *topic,
               PsrpcPeer *peer);

/* Its answer to what it has kept. */
void psrpc_reply(PsrpcPeer *peer, const char *egress_id);

typedef struct {
    bool is_done;
    char egress_id[32];
    GError *error; /* to be freed */
} PsrpcResult;

void psrpc_call_with(PsrpcFixture *f, const EgPsrpcMethod *method, const char *topic,
                     const ProtobufCMessage *request, gint64 timeout_ns, gint64 selection_ns,
                     PsrpcResult *result);

/* Calls with a request for `egress_id`. */
void psrpc_call(PsrpcFixture *f, const EgPsrpcMethod *method, const char *topic,
                const char *egress_id, gint64 timeout_ns, gint64 selection_ns, PsrpcResult *result);

/* A request as the client CLI_test makes it, good for `ttl_ns`; "\n\1x" is one for egress x. */
GBytes *psrpc_request(const char *request_id, gint64 ttl_ns, const char *raw);
void psrpc_publish(const char *channel, const ProtobufCMessage *message);
void psrpc_award(const char *channel, const char *request_id, const char *server_id);
void psrpc_claim(const char *channel, const char *request_id, const char *server_id,
                 float affinity);

/* The newest message to a channel that matches, which must be there. */
ProtobufCMessage *psrpc_last(const char *pattern, const ProtobufCMessageDescriptor *descriptor);

/* Of all codes. */
guint64 psrpc_n_errors(const EgPsrpcStats *stats);
