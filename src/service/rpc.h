#pragma once

#include "bus/psrpc.h"
#include "service/egresses.h"

/* LiveKit's internal calls over psrpc: StartEgress and ListActiveEgress for the service, StopEgress
 * and UpdateStream for each of its egresses. Loop's thread only. */
typedef struct _EgRpc EgRpc;

EgRpc *eg_rpc_new(EgPsrpcServer *server, EgEgresses *egresses, const EgConfig *config);
void eg_rpc_free(EgRpc *rpc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgRpc, eg_rpc_free)

/* Whether the world hears of what we do: while it does not, requests are for others. */
void eg_rpc_set_healthy(EgRpc *rpc, bool is_healthy);

/* Nobody can ask for that egress any more. */
void eg_rpc_forget(EgRpc *rpc, const char *egress_id);
