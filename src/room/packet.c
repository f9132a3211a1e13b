#include "room/packet.h"

/* Header and bytes are one allocation: there are hundreds of packets a second. */
typedef struct {
    EgPacket packet;
    gint refs;
    guint8 bytes[];
} Shared;

EgPacket *eg_packet_new(gsize size_bytes, guint8 **data)
{
    Shared *shared = g_malloc(sizeof(Shared) + size_bytes);
    *shared = (Shared){
        .refs = 1, .packet = {.data = shared->bytes, .size_bytes = size_bytes}
    };
    *data = shared->bytes;
    return &shared->packet;
}

EgPacket *eg_packet_ref(EgPacket *packet)
{
    if (packet != NULL)
        g_atomic_int_inc(&((Shared *)packet)->refs);
    return packet;
}

void eg_packet_unref(EgPacket *packet)
{
    if (packet != NULL && g_atomic_int_dec_and_test(&((Shared *)packet)->refs))
        g_free(packet);
}
