#include "bus/channel.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/message.h"

#define HEADER_BYTES 4
#define READ_BYTES   (16 * 1024)

/* Far more than any request holds. */
#define MAX_MESSAGE_BYTES (16 * 1024 * 1024)

struct _EgChannel {
    EgLoop *loop;
    int fd;
    const ProtobufCMessageDescriptor *incoming;
    EgChannelEvents events;
    gpointer user;
    GByteArray *in;
    GByteArray *out; /* what the kernel had no room for */
    GSource *reader;
    GSource *writer; /* while `out` is not empty */
    bool is_freed;   /* inside a callback */
    guint depth;     /* of callbacks */
};

static void drop_source(GSource **source)
{
    if (*source == NULL)
        return;
    g_source_destroy(*source);
    g_source_unref(*source);
    *source = NULL;
}

static GSource *watch(EgChannel *channel, GIOCondition condition, GUnixFDSourceFunc func)
{
    GSource *source = g_unix_fd_source_new(channel->fd, condition);
    g_source_set_callback(source, G_SOURCE_FUNC(func), channel, NULL);
    g_source_attach(source, eg_loop_context(channel->loop));
    return source;
}

static void destroy(EgChannel *channel)
{
    g_byte_array_unref(channel->in);
    g_byte_array_unref(channel->out);
    g_free(channel);
}

static void stop_reading(EgChannel *channel)
{
    drop_source(&channel->reader);
    channel->events.closed(channel->user);
}

/* Hands over one complete message; false if there is none. */
static bool take_message(EgChannel *channel)
{
    guint32 size;
    if (channel->in->len < HEADER_BYTES)
        return false;
    memcpy(&size, channel->in->data, HEADER_BYTES);
    size = GUINT32_FROM_BE(size);
    if (size > MAX_MESSAGE_BYTES) {
        stop_reading(channel);
        return false;
    }
    if (channel->in->len - HEADER_BYTES < size)
        return false;
    ProtobufCMessage *message =
        eg_proto_unpack(channel->incoming, channel->in->data + HEADER_BYTES, size);
    g_byte_array_remove_range(channel->in, 0, HEADER_BYTES + size);
    if (message == NULL) {
        stop_reading(channel);
        return false;
    }
    channel->events.message(channel->user, message);
    protobuf_c_message_free_unpacked(message, NULL);
    return !channel->is_freed;
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer user)
{
    EgChannel *channel = user;
    guint8 bytes[READ_BYTES];
    (void)condition;
    ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    channel->depth++;
    if (n <= 0) {
        stop_reading(channel);
    } else {
        g_byte_array_append(channel->in, bytes, (guint)n);
        while (take_message(channel))
            ;
    }
    channel->depth--;
    if (channel->is_freed)
        destroy(channel);
    return G_SOURCE_CONTINUE;
}

/* Whoever has gone is found out by reading. */
static void write_out(EgChannel *channel)
{
    while (channel->out->len > 0) {
        ssize_t n =
            send(channel->fd, channel->out->data, channel->out->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        g_byte_array_remove_range(channel->out, 0, n < 0 ? channel->out->len : (guint)n);
    }
}

static gboolean on_writable(int fd, GIOCondition condition, gpointer user)
{
    EgChannel *channel = user;
    (void)fd;
    (void)condition;
    write_out(channel);
    if (channel->out->len == 0)
        drop_source(&channel->writer);
    return G_SOURCE_CONTINUE;
}

EgChannel *eg_channel_new(EgLoop *loop, int fd, const ProtobufCMessageDescriptor *incoming,
                          const EgChannelEvents *events, gpointer user)
{
    EgChannel *channel = g_new0(EgChannel, 1);
    channel->loop = loop;
    channel->fd = fd;
    channel->incoming = incoming;
    channel->events = *events;
    channel->user = user;
    channel->in = g_byte_array_new();
    channel->out = g_byte_array_new();
    channel->reader = watch(channel, G_IO_IN, on_readable);
    return channel;
}

void eg_channel_free(EgChannel *channel)
{
    if (channel == NULL)
        return;
    drop_source(&channel->reader);
    drop_source(&channel->writer);
    close(channel->fd);
    if (channel->depth > 0)
        channel->is_freed = true;
    else
        destroy(channel);
}

void eg_channel_send(EgChannel *channel, const ProtobufCMessage *message)
{
    eg_loop_assert_owner(channel->loop);
    gsize size = protobuf_c_message_get_packed_size(message);
    guint32 header = GUINT32_TO_BE((guint32)size);
    g_byte_array_append(channel->out, (const guint8 *)&header, HEADER_BYTES);
    guint offset = channel->out->len;
    g_byte_array_set_size(channel->out, offset + (guint)size);
    protobuf_c_message_pack(message, channel->out->data + offset);
    write_out(channel);
    if (channel->out->len > 0 && channel->writer == NULL)
        channel->writer = watch(channel, G_IO_OUT, on_writable);
}

void eg_channel_flush(EgChannel *channel)
{
    while (channel->out->len > 0) {
        struct pollfd writable = {.fd = channel->fd, .events = POLLOUT};
        poll(&writable, 1, -1);
        write_out(channel);
    }
}
