#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/loop.h"

/* Messages between the service and the process of an egress, over a socket pair: each as its length
 * (32 bits, big endian) and its bytes. Loop's thread only; callbacks never come from inside a call,
 * and the channel may be freed in them. */
typedef struct _EgChannel EgChannel;

typedef struct {
    void (*message)(gpointer user, const ProtobufCMessage *message);
    /* The other side has gone, or sends what is no message. The last event. */
    void (*closed)(gpointer user);
} EgChannelEvents;

/* Takes `fd` over. */
EgChannel *eg_channel_new(EgLoop *loop, int fd, const ProtobufCMessageDescriptor *incoming,
                          const EgChannelEvents *events, gpointer user);
void eg_channel_free(EgChannel *channel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgChannel, eg_channel_free)

/* Never blocks. */
void eg_channel_send(EgChannel *channel, const ProtobufCMessage *message);

/* Waits until everything was handed to the kernel, for a process that is about to exit. */
void eg_channel_flush(EgChannel *channel);
