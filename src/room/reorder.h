#pragma once

#include "room/packet.h"

/* Puts the packets of one stream in order and says which are missing. Pure logic: what time it is
 * comes from the caller. */
typedef struct _EgReorder EgReorder;

/* Sequence numbers further away than this from the newest one begin a new count (RFC 3550, A.1). */
#define EG_REORDER_MAX_JUMP 3000

/* The window: when this many packets have been sent since the oldest missing one, it is given up
 * even if its time has not passed. */
#define EG_REORDER_MAX_PACKETS 2048

typedef enum {
    EG_REORDER_NONE,
    EG_REORDER_NEW,       /* newer than all before */
    EG_REORDER_FILLED,    /* a gap, before it was asked for */
    EG_REORDER_RECOVERED, /* fills a gap as a retransmission */
    EG_REORDER_DUPLICATE, /* is there already, or was, or was given up */
    EG_REORDER_HELD,      /* after a jump: waits for a second packet that confirms it */
} EgReorderResult;

/* `has_nack`: missing packets are asked for. */
EgReorder *eg_reorder_new(gint64 give_up_ns, bool has_nack);
void eg_reorder_free(EgReorder *reorder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgReorder, eg_reorder_free)

/* Takes `packet`, which is NULL for one that only fills its place (padding). After each call,
 * eg_reorder_pop() must be called until it returns NULL. */
EgReorderResult eg_reorder_push(EgReorder *reorder, guint16 sequence, EgPacket *packet,
                                bool is_retransmission, gint64 now_ns);

/* The next packet in order, which the caller then owns, with its extended sequence number set.
 * NULL: nothing is there, or something before it is missing and not given up yet. */
EgPacket *eg_reorder_pop(EgReorder *reorder, gint64 now_ns);

/* When eg_reorder_pop() and eg_reorder_take_nacks() will have something to do if no packet comes
 * before; G_MAXINT64 for never. */
gint64 eg_reorder_due_ns(const EgReorder *reorder);

/* The sequence numbers, ascending, to be asked for now; at most `capacity`, the rest is due at
 * once. */
gsize eg_reorder_take_nacks(EgReorder *reorder, gint64 now_ns, guint16 *sequences, gsize capacity);

bool eg_reorder_is_started(const EgReorder *reorder);
guint64 eg_reorder_lost(const EgReorder *reorder);      /* given up */
guint64 eg_reorder_recovered(const EgReorder *reorder); /* came after having been asked for */
