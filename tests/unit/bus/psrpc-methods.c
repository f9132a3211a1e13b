#include "unit/bus/psrpc-methods.h"

#include "livekit_egress.pb-c.h"
#include "rpc_egress.pb-c.h"

const EgPsrpcMethod psrpc_start = {
    .service = "EgressInternal",
    .name = "StartEgress",
    .request = &rpc__start_egress_request__descriptor,
    .response = &livekit__egress_info__descriptor,
    .has_claim = true,
};

const EgPsrpcMethod psrpc_stop = {
    .service = "EgressHandler",
    .name = "StopEgress",
    .request = &livekit__stop_egress_request__descriptor,
    .response = &livekit__egress_info__descriptor,
    .has_claim = true,
    .has_lock = true,
};

const EgPsrpcMethod psrpc_list = {
    .service = "EgressInternal",
    .name = "ListActiveEgress",
    .request = &rpc__list_active_egress_request__descriptor,
    .response = &livekit__egress_info__descriptor,
};

const EgPsrpcMethod psrpc_create = {
    .service = "IOInfo",
    .name = "CreateEgress",
    .request = &livekit__egress_info__descriptor,
    .has_claim = true,
    .has_lock = true,
};
