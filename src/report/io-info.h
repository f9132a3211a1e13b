#pragma once

#include "bus/psrpc.h"
#include "config/config.h"
#include "report/publisher.h"

/* Reports to livekit-server: IOInfo.CreateEgress and IOInfo.UpdateEgress. */
typedef struct _EgIoInfo EgIoInfo;

/* `config` and `log` must outlive it. */
EgIoInfo *eg_io_info_new(EgLoop *loop, EgRedis *redis, const EgConfig *config, const EgLog *log);
void eg_io_info_free(EgIoInfo *io_info); /* what is under way ends with `canceled` */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgIoInfo, eg_io_info_free)

/* Errors are retryable if nobody has answered (also within the configured time), or a server says
 * `unavailable`; any other answer is the server's last word. */
EgPublisher eg_io_info_publisher(EgIoInfo *io_info);
EgPsrpcClient *eg_io_info_client(EgIoInfo *io_info); /* for its counters */
