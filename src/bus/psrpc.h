#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/error.h"
#include "base/histogram.h"
#include "base/log.h"
#include "base/loop.h"
#include "bus/redis.h"

/* psrpc over Redis as LiveKit speaks it: requests are published, servers bid (claim) for them, the
 * client awards one of them, which answers. Loop's thread only; callbacks never come from inside a
 * call, and any function may be called in them. */

/* What a method is like; tables of these are constant. */
typedef struct {
    const char *service; /* "EgressInternal" */
    const char *name;    /* "StartEgress" */
    const ProtobufCMessageDescriptor *request;
    const ProtobufCMessageDescriptor *response; /* NULL: google.protobuf.Empty */
    bool has_claim; /* the request goes to one of the bidders; else to all */
    bool has_lock;  /* servers settle by a lock who may bid (psrpc's "queue") */
} EgPsrpcMethod;

/* The server's side. */
typedef struct _EgPsrpcServer EgPsrpcServer;
typedef struct _EgPsrpcHandler EgPsrpcHandler;

/* One request that this server was awarded. Must be ended by one of the two functions below, at any
 * time; it outlives its handler. */
typedef struct _EgPsrpcCall EgPsrpcCall;

typedef struct {
    /* How much this server wants the request: more than 0; anything else is no bid. NULL: always
     * 1. */
    float (*affinity)(gpointer user, const ProtobufCMessage *request);
    /* The request was awarded to us. `request` is valid during the callback. */
    void (*handle)(gpointer user, EgPsrpcCall *call, const ProtobufCMessage *request);
    /* Requests will reach us from now on; once. May be NULL. */
    void (*registered)(gpointer user);
} EgPsrpcHandlerEvents;

EgPsrpcServer *eg_psrpc_server_new(EgLoop *loop, EgRedis *redis, const EgLog *log);
void eg_psrpc_server_free(EgPsrpcServer *server); /* after its handlers; open calls answer nobody */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgPsrpcServer, eg_psrpc_server_free)

/* Serves a method; `topic` NULL or "": none. `method` must outlive it. */
EgPsrpcHandler *eg_psrpc_server_add(EgPsrpcServer *server, const EgPsrpcMethod *method,
                                    const char *topic, const EgPsrpcHandlerEvents *events,
                                    gpointer user);

/* Calls that were awarded are still answered. */
void eg_psrpc_handler_remove(EgPsrpcHandler *handler); /* NULL is fine */

void eg_psrpc_call_reply(EgPsrpcCall *call, const ProtobufCMessage *response);
void eg_psrpc_call_fail(EgPsrpcCall *call, const GError *error);

/* The client's side: of one service. */
typedef struct _EgPsrpcClient EgPsrpcClient;

/* `response` (borrowed; NULL if there is an error or the method's is Empty). */
typedef void (*EgPsrpcDone)(gpointer user, const ProtobufCMessage *response, const GError *error);

EgPsrpcClient *eg_psrpc_client_new(EgLoop *loop, EgRedis *redis, const char *service,
                                   const EgLog *log);
void eg_psrpc_client_free(EgPsrpcClient *client); /* calls under way are never told */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgPsrpcClient, eg_psrpc_client_free)

typedef struct {
    const char *topic; /* may be NULL */
    gint64 timeout_ns;
    gint64 selection_ns; /* for the bids; 0: the whole timeout */
} EgPsrpcOptions;

/* One attempt; while nobody bids for it and its method has a lock, the request is published again
 * each second. Errors as psrpc's client has them: unavailable "no response from servers" when
 * nobody bids in time, deadline_exceeded "request timed out", and what the server answers. The
 * first bid wins. */
void eg_psrpc_client_call(EgPsrpcClient *client, const EgPsrpcMethod *method,
                          const EgPsrpcOptions *options, const ProtobufCMessage *request,
                          EgPsrpcDone done, gpointer user);

/* What became of a bid. */
typedef enum {
    EG_PSRPC_CLAIM_GRANTED,
    EG_PSRPC_CLAIM_LOST, /* to another server */
    EG_PSRPC_CLAIM_TIMED_OUT,
    EG_N_PSRPC_CLAIMS,
} EgPsrpcClaim;

/* For the metrics, of one method; in `eg_psrpc_*_get_stats` order of first use. */
typedef struct {
    const EgPsrpcMethod *method;
    guint64 errors[EG_N_ERRORS]; /* calls that ended so, by code */
    guint64 received_bytes;      /* requests of the server, responses of the client; bare */
    guint64 sent_bytes;
    EgHistogram request_ms; /* of calls that ended well */

    /* Of the server only. */
    guint64 received;                        /* requests that it may bid for or answer */
    guint64 expired;                         /* of these those that came too late */
    EgHistogram claim_ms[EG_N_PSRPC_CLAIMS]; /* from its bid on */
} EgPsrpcStats;

/* The array belongs to the server or client and is valid until its next call. */
const EgPsrpcStats *eg_psrpc_server_get_stats(EgPsrpcServer *server, guint *n_methods);
const EgPsrpcStats *eg_psrpc_client_get_stats(EgPsrpcClient *client, guint *n_methods);
