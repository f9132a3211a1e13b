#pragma once

#include "bus/psrpc.h"

/* One method of each kind that there is. */

extern const EgPsrpcMethod psrpc_start;  /* with a claim */
extern const EgPsrpcMethod psrpc_stop;   /* with a claim and a lock */
extern const EgPsrpcMethod psrpc_list;   /* with neither */
extern const EgPsrpcMethod psrpc_create; /* without a result */
